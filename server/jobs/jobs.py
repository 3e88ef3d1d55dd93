"""Jobs: files that are made words of by the recogniser that was asked for. Each is a transcript like any other.

The intake hears them, behind everything live, and goes on with them after a restart; here is what a job has besides:
what was asked for, how far it is, and that nobody wants it any more.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from asr.engines.choose import ANY_LANGUAGE, base_language
from asr.models import Model, is_whole
from protocol.blocks import seconds
from protocol.errors import BadInput, Cancelled, Conflict, EarshotError, NotFound
from protocol.states import TranscriptState
from server.hub import Hub
from server.intake import Intake
from server.jobs import progress
from server.jobs.model_names import short_name
from server.jobs.progress import Progress
from server.live import SourceOptions
from server.nodes.holding import Holding
from server.recognisers import Recognisers
from server.removal import Removal
from server.rounds import repeat
from server.settings import Settings
from server.store.job_store import Job
from server.store.records import AS_USUAL, VoicesAsked
from server.store.store import Store

log = structlog.get_logger(__name__)

LOOK_S = 2.0  # for what was cancelled at another node

CANCELLED = "Cancelled; what was heard until then is kept"
FAILED = "The file could not be transcribed to its end"


class Jobs:
    """One for a node: files lie in its data folder."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        intake: Intake,
        recognisers: Recognisers,
        removal: Removal,
        holding: Holding,
    ) -> None:
        self._holding = holding
        self._settings = settings
        self._store = store
        self._hub = hub
        self._intake = intake
        self._recognisers = recognisers
        self._removal = removal
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """After a start: what was cancelled is stopped again, and whose file never came whole was never answered."""
        for job in await self._store.jobs.unfinished(self._holding.node_id):
            if job.transcript.state is TranscriptState.IDLE:
                await self._forget(job)
            else:
                await self._stop(job)

    def start_looking(self) -> None:
        looking = repeat(self.stop_cancelled, every_s=LOOK_S, name="cancelled jobs")
        self._task = asyncio.create_task(looking, name="cancelled jobs")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def stop_cancelled(self) -> None:
        """Of what is heard here, that which was cancelled at another node."""
        sessions = self._hub.sessions.values()
        heard = {each.transcript_id for each in sessions if each.track.source == "file" and each.finishing is None}
        if heard:
            for job in await self._store.jobs.cancelled(heard):
                await self._stop(job)

    async def check_model(self, model: Model | None) -> str | None:
        """What tracks are told to be heard by; None for the recogniser in use.

        Raises ``Conflict`` for a model that is not here, or that the settings give no room.
        """
        if model is None:
            return None
        if await self._recognisers.is_main(model.name):
            return model.name
        name = short_name(model.name)
        if model.repo and not await asyncio.to_thread(is_whole, model, self._settings.models_dir / model.name):
            raise Conflict(
                f"the model {name} is not on this machine: fetch it first, with POST /api/transcribe/models/{name}"
                f"/download or `earshot models pull {model.name}`",
                details={"model_name": name, "size_mb": model.size_mb},
            )
        if not self._settings.other_models_max:
            used = short_name(self._recognisers.main.status.model)
            raise Conflict(
                f"this server hears with {used} alone: name no model, or set other_models_max",
                details={"model_name": name, "in_use": used},
            )
        return model.name

    def check_language(self, model: Model | None, language: str | None) -> None:
        """Raises ``BadInput`` where the recogniser does not know ``language``: it would write down what nobody said."""
        status = self._recognisers.main.status
        name, known = (status.model, status.languages) if model is None else (model.name, model.languages)
        if language is None or language == ANY_LANGUAGE or not known or base_language(language) in known:
            return
        raise BadInput(
            f"the recogniser {short_name(name)} knows {', '.join(known)} only: name another, or leave the language out",
            details={"language": language, "languages": list(known), "model_name": short_name(name)},
        )

    async def start(
        self,
        path: Path,
        *,
        filename: str,
        owner: str | None,
        model: Model | None = None,
        language: str | None = None,
        voices: VoicesAsked = AS_USUAL,
        hotwords: tuple[str, ...] = (),
        job_id: str | None = None,
    ) -> Job:
        """Take the file at ``path`` over and begin; ``job_id``: a new one that is known already. Raises what
        ``check_language``, ``check_model`` and ``Intake.add_file`` raise; then there is no job, and the file stays."""
        self.check_language(model, language)
        heard_by = await self.check_model(model)
        job = await self._store.jobs.create(
            owner=owner,
            language=language or self._settings.language,
            model=model.name if model is not None else self._recognisers.main.status.model,
            diarize=voices.diarize is not False,
            filename=filename,
            node_id=self._holding.node_id,
            job_id=job_id,
        )
        try:
            options = SourceOptions(language=language, model=heard_by, voices=voices, hotwords=hotwords, let_in=True)
            async with self._holding.kept(job.id, self._hub.lock_of(job.id)):  # nobody who starts forgets it meanwhile
                await self._intake.add_file(job.id, path, filename=filename, options=options)
        except BaseException:
            await self._forget(job)
            raise
        job = await self._store.jobs.get(job.id)
        if job.cancelled_at is not None:  # meanwhile
            await self._stop(job)
        return job

    async def cancel(self, job_id: str) -> Job:
        """Hear no more of it; what was heard is kept. Idempotent. Raises ``NotFound``, ``Conflict``."""
        if await self._store.jobs.cancel(job_id):
            await self._stop(await self._store.jobs.get(job_id))
        return await self._store.jobs.get(job_id)

    async def progress(self, job: Job) -> Progress:
        """How far it is now."""
        transcript = job.transcript
        if job.cancelled_at is not None:
            return progress.ended_early("cancelled", CANCELLED, transcript.duration_samples)
        if transcript.state is TranscriptState.ENDED:
            return progress.completed(transcript.duration_samples)
        if transcript.state is TranscriptState.FAILED:
            failure = await self._store.jobs.failure(job.id)
            message = failure.message if failure is not None else FAILED
            return progress.ended_early("failed", message, transcript.duration_samples)
        sessions = self._hub.sessions_of(job.id)
        status, _ = await self._hub.status(job.id)  # which remembers what was told before a restart
        known = [session.expected_samples for session in sessions]
        done_samples = sum(session.pipeline.settled_samples for session in sessions)
        total_samples = None if None in known else sum(filter(None, known))
        return progress.working(done_samples, total_samples, least_percent=int(status.progress))

    async def check_ended(self, job: Job) -> None:
        """Raises ``Conflict``, which says how far it is, while there is no result."""
        if not job.has_ended and job.cancelled_at is None:
            far = await self.progress(job)
            raise Conflict(
                f"the job goes on: {far.message}; ask again, or follow it at /api/transcribe/live/{job.id}",
                details={"status": far.status, "progress": far.percent},
                retry_after_s=2.0,
            )

    async def _stop(self, job: Job) -> None:
        for session in self._hub.sessions_of(job.id):
            if session.track.source == "file":
                await self._intake.cancel(session, Cancelled(CANCELLED))
        log.info("job cancelled", job=job.id, heard_s=round(seconds(job.transcript.duration_samples)))

    async def _forget(self, job: Job) -> None:
        try:
            await self._removal.discard(job.id)
        except NotFound:
            pass
        except EarshotError as error:
            log.warning("a job without its file was not removed", job=job.id, code=error.code)
