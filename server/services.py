"""Everything that runs behind the doors, started and stopped in order."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog

from asr.client import AsrClient
from asr.link import Sharing
from media.disk_writer import DiskWriter
from media.webrtc.udp_ports import UdpPorts
from server.accounts.accounts import Accounts
from server.blob_urls import BlobUrls
from server.blobs import Blobs
from server.bots.attending import Attending
from server.bots.download_urls import DownloadUrls
from server.bots.endpoints import Endpoints
from server.bus import Bus, InProcessBus
from server.chunked_uploads import ChunkedUploads
from server.derived import Derived
from server.enrolment import Enrolment
from server.fleeting import Fleeting
from server.hub import Hub
from server.intake import Intake
from server.jobs.jobs import Jobs
from server.jobs.rehearing import Rehearing
from server.journal import Journal
from server.language_models.language_models import LanguageModels
from server.loop_watch import LoopWatch
from server.meetings.attendances import Attendances
from server.meetings.meetings import Meetings
from server.meetings.providers import providers_of
from server.metrics import Metrics
from server.nodes.duties import Duties
from server.nodes.kept_sound import KeptSound
from server.nodes.membership import Membership
from server.nodes.slot import Slot
from server.peers import Peers
from server.projects.blob_sweep import BlobSweep
from server.projects.chunks import Chunks
from server.projects.levels import Levels
from server.projects.retention import Retention
from server.projects.typed_words import TypedWords
from server.projects.upload_targets import UploadTargets
from server.recogniser import worker_settings
from server.recognisers import Recognisers
from server.recognition import Recognition
from server.recovery import Recovery
from server.relabelling import Relabelling
from server.removal import Removal
from server.reports.reports import Reports
from server.reports.unsubscribing import UnsubscribeTokens
from server.resume import ResumeTokens
from server.settings import Settings
from server.speakers import Speakers
from server.spool import SUFFIX, Spool, store_left
from server.store.store import Store
from server.storing import Storing
from server.udp import udp_settings
from server.webhooks.webhooks import Webhooks

log = structlog.get_logger(__name__)


@dataclass
class Services:
    """The rooms behind the doors of one node."""

    settings: Settings
    store: Store
    accounts: Accounts
    storing: Storing
    journal: Journal
    disk: DiskWriter
    asr: AsrClient
    hub: Hub
    speakers: Speakers
    relabelling: Relabelling
    enrolment: Enrolment
    intake: Intake
    ports: UdpPorts
    peers: Peers
    removal: Removal
    metrics: Metrics
    loop: LoopWatch
    meetings: Meetings
    attendances: Attendances
    derived: Derived
    uploads: ChunkedUploads
    blobs: Blobs
    blob_urls: BlobUrls
    download_urls: DownloadUrls
    resume_tokens: ResumeTokens
    attending: Attending
    targets: UploadTargets
    chunks: Chunks
    webhooks: Webhooks
    reports: Reports
    retention: Retention
    unsubscribe_tokens: UnsubscribeTokens
    levels: Levels
    recognisers: Recognisers
    jobs: Jobs
    rehearing: Rehearing
    language_models: LanguageModels
    membership: Membership
    fleeting: Fleeting
    duties: Duties
    _stack: AsyncExitStack = field(repr=False)

    @classmethod
    async def start(
        cls, settings: Settings, *, metrics: Metrics | None = None, sharing: Sharing | None = None
    ) -> Services:
        """Start all of it, or nothing. ``sharing``: of inference processes that others use, too.

        Raises ``StoreUnavailable``; ``OSError`` when data cannot be kept or no UDP port is to be had.
        """
        metrics = metrics or Metrics()
        async with AsyncExitStack() as stack:
            slot = await asyncio.to_thread(Slot.take, settings.data_dir / "nodes")
            stack.callback(slot.close)
            if slot.is_alone:  # what a crash left of uploads on their way
                await asyncio.to_thread(shutil.rmtree, settings.data_dir / "incoming", ignore_errors=True)
            for folder in (settings.data_dir, settings.recordings_dir, settings.models_dir):
                await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            shared = settings.shared_secret.get_secret_value() if settings.shared_secret is not None else None
            tokens = await asyncio.to_thread(ResumeTokens.load, settings.data_dir / "resume.key", shared)
            blob_urls = await asyncio.to_thread(BlobUrls.load, settings.data_dir / "blobs.key", shared=shared)
            download_urls = await asyncio.to_thread(DownloadUrls.load, settings.data_dir / "downloads.key", shared)
            unsubscribe_tokens = await asyncio.to_thread(
                UnsubscribeTokens.load, settings.data_dir / "reports.key", shared
            )
            blobs = await Blobs.open(settings.blobs_url or settings.data_dir / "blobs", settings.bucket)
            ports = UdpPorts.open(udp_settings(settings))
            stack.callback(ports.close)
            store = await Store.open(settings.database)
            stack.push_async_callback(store.close)
            spool = Spool(slot.path.with_suffix(SUFFIX), max_bytes=settings.spool_max_mb << 20)
            # Before others hear that their nodes are no more, and hear their sound again.
            for place in (slot.path, *slot.left):
                await store_left(place.with_suffix(SUFFIX), store)
            await asyncio.to_thread(Fleeting.inherit, slot.path, slot.left)
            membership = await Membership.join(settings, store, slot, key=tokens.key)
            slot.leave_left()
            stack.push_async_callback(membership.stop)
            holding = membership.holding
            duties = Duties(store.nodes, lambda: holding.node_id)
            accounts = await Accounts.open(settings, store)
            stack.push_async_callback(accounts.close)
            storing = Storing(store, settings.data_dir)
            stack.push_async_callback(storing.stop)
            bus: Bus = InProcessBus()
            if settings.redis is not None:
                from server.nodes.redis_bus import RedisBus  # here: Redis' client takes half a second to import

                bus = redis_bus = RedisBus(
                    settings.redis, store.watch.last_seqs, interims=lambda id_: journal.interims(id_)
                )
                redis_bus.start()
                stack.push_async_callback(redis_bus.stop)
            journal = Journal(
                store,
                bus,
                commit_interval_s=settings.journal_commit_interval_ms / 1000,
                subscribers_max=settings.subscribers_max,
                on_commit=metrics.commit_s.observe,
                node_id=lambda: holding.node_id,
                spool=spool,
            )
            holding.all_stored = journal.flushed
            journal.start()
            stack.push_async_callback(journal.stop)
            disk = DiskWriter(
                write_interval_s=settings.record_write_interval_ms / 1000,
                sync_interval_s=settings.record_sync_interval_ms / 1000,
            )
            disk.start()
            stack.push_async_callback(disk.stop)
            loop = LoopWatch(metrics.engine)
            asr = AsrClient(worker_settings(settings), on_ran=loop.ran, sharing=sharing)
            await asr.start()
            stack.push_async_callback(asr.stop)
            loop.start(lambda: asr.workers)
            stack.push_async_callback(loop.stop)
            recognisers = Recognisers(asr, worker_settings(settings), others_max=settings.other_models_max)
            stack.push_async_callback(recognisers.stop)
            sound = await KeptSound.start(settings, store, disk, blobs, duties, is_ours=lambda: membership.is_sure)
            stack.push_async_callback(sound.stop)
            hub = Hub(settings, store, journal, asr, sound, tokens, metrics, holding)
            hub.start()
            stack.push_async_callback(hub.stop)
            speakers = Speakers(store, journal, hub.voices)
            recognition = Recognition(settings, store, speakers, hub.voices)
            hub.recognised = recognition.heard
            stack.push_async_callback(recognition.stop)
            relabelling = Relabelling(settings, store, journal, hub, speakers, recognition, holding, duties)
            hub.before_end = relabelling.before_end
            stack.push_async_callback(relabelling.stop)
            intake = Intake(settings, store, hub, journal, recognisers)
            stack.push_async_callback(intake.stop)
            peers = Peers(settings, hub, journal, metrics, ports, membership.holding)
            stack.push_async_callback(peers.stop)
            webhooks = Webhooks(settings, store, metrics)
            webhooks.start()
            stack.push_async_callback(webhooks.stop)
            targets = UploadTargets(blobs, blob_urls, settings.blobs_uploads_to)
            typed = await asyncio.to_thread(
                TypedWords.load,
                store,
                journal,
                data_dir=settings.data_dir,
                chunks_max=settings.conversation_chunks_max,
                shared=shared,
            )
            reports = Reports(store, blobs, webhooks, duties)
            reports.start()
            stack.push_async_callback(reports.stop)
            chunks = Chunks(
                settings,
                store,
                blobs,
                targets,
                typed,
                reports,
                intake,
                hub,
                journal,
                holding,
                on_closed=(webhooks.wake,),
            )
            recovery = Recovery(store, hub, intake, holding, went_on=chunks.writing.wake)
            await membership.begin(adopted=recovery.go_on, lost=hub.lose)
            recovery.start()
            stack.push_async_callback(recovery.stop)
            relabelling.start()
            chunks.start(duties)
            stack.push_async_callback(chunks.stop)
            sweep = BlobSweep(settings, store, blobs)
            sweep.start(duties)
            stack.push_async_callback(sweep.stop)
            removal = Removal(settings, store, journal, hub, intake)
            removal.start(duties)
            stack.push_async_callback(removal.stop)
            jobs = Jobs(settings, store, hub, intake, recognisers, removal, holding)
            await jobs.load()
            jobs.start_looking()
            stack.push_async_callback(jobs.stop)
            fleeting = Fleeting(removal, slot.path)
            stack.push_async_callback(fleeting.stop)
            await fleeting.load()
            retention = Retention(store, blobs, removal, reports)
            retention.start(duties)
            stack.push_async_callback(retention.stop)
            meetings = Meetings(settings, store, hub, providers_of(settings), removal.delete_sound)
            meetings.start(duties)
            stack.push_async_callback(meetings.stop)
            attendances = Attendances(settings, store, hub, peers, tokens, meetings)
            endpoints = Endpoints(settings, store, journal, duties)
            stack.push_async_callback(endpoints.stop)
            await endpoints.start()
            uploads = ChunkedUploads(settings, store, intake, journal, blobs, duties)
            uploads.start()
            stack.push_async_callback(uploads.stop)
            language_models = await LanguageModels.start(
                settings, store, journal, metrics, duties, noted=webhooks.wake, fleeting=fleeting.ids
            )
            stack.push_async_callback(language_models.stop)
            rooms = (
                settings,
                store,
                accounts,
                storing,
                journal,
                disk,
                asr,
                hub,
                speakers,
                relabelling,
                Enrolment(settings, store, journal, asr),
                intake,
                ports,
                peers,
                removal,
                metrics,
                loop,
                meetings,
                attendances,
            )
            of_projects = chunks, webhooks, reports, retention, unsubscribe_tokens, Levels()
            rehearing = Rehearing(settings, store, hub, journal, speakers, recognisers, jobs)
            of_nodes = membership, fleeting, duties, stack.pop_all()
            rest = *of_projects, recognisers, jobs, rehearing, language_models, *of_nodes
            more = (
                Derived(settings),
                uploads,
                blobs,
                blob_urls,
                download_urls,
                tokens,
                Attending(store, hub, endpoints, holding),
                targets,
            )
            everything = *rooms, *more
            return cls(*everything, *rest)
        raise AssertionError("unreachable: the stack swallows nothing")

    async def drain(self) -> None:
        """Refuse new sessions and wait for the finals of those there are, no longer than the setting allows."""
        if not await self.hub.drain(self.settings.drain_deadline_s):
            log.warning("some finals are still due; they come at the next start")

    async def stop(self) -> None:
        """Close everything, last started first."""
        await self._stack.aclose()
