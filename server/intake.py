"""Files in: through the same pipeline as live sound, as fast as it is heard, behind everything live."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from media.containers import FLAC, MATROSKA, MP3, MP4, OGG, WAV
from media.decode import DecodeLimits, check_file, decode_file, probe_duration_s
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError, EarshotError, NotFound, Overloaded, StoreUnavailable
from protocol.events import Failed
from server import endings
from server.files import storage_error, sync_file, sync_folder
from server.hub import Hub
from server.journal import Journal
from server.live import LiveSession, SourceOptions
from server.recognisers import Recognisers
from server.settings import Settings
from server.status import logged
from server.store.records import Track
from server.store.store import Store

log = structlog.get_logger(__name__)

MEBIBYTE = 1 << 20
# What the contract promises to take, and WebM; M4A is MP4, and Opus comes in Ogg, WebM or MP4.
CONTAINERS = frozenset(container.name for container in (WAV, MP3, MP4, FLAC, OGG, MATROSKA))
SAMPLE_RATE_MIN_HZ, SAMPLE_RATE_MAX_HZ = 8_000, 48_000
CHECKS_AT_ONCE = 2  # each may need the memory that a hostile header asks for
FILES_WAITING_MAX = 100
FILES_AT_ONCE = 2
PROGRESS_LOOK_S = 0.25
CUT_MIN_S = 1.0  # headers are often a frame or two off


class Intake:
    """Takes files over, keeps them beside their recordings, and feeds their sound to their tracks."""

    def __init__(self, settings: Settings, store: Store, hub: Hub, journal: Journal, recognisers: Recognisers) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._recognisers = recognisers
        self._journal = journal
        self._limits = DecodeLimits(
            bytes_max=settings.upload_max_mb * MEBIBYTE,
            duration_max_s=settings.upload_max_s,
            sample_rate_min_hz=SAMPLE_RATE_MIN_HZ,
            sample_rate_max_hz=SAMPLE_RATE_MAX_HZ,
            containers=CONTAINERS,
        )
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._turns = asyncio.Semaphore(FILES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[Any]] = set()  # of those, the ones whose turn has not come

    async def add_file(
        self, transcript_id: str, path: Path, *, filename: str, options: SourceOptions | None = None
    ) -> str:
        """Take the file at ``path`` over and begin to transcribe it; returns its track's id, and what it takes then is
        on disk. ``options``: what is known of its sound.

        Raises ``AudioFormatError`` or ``TooLarge`` when it holds no sound we take (the file stays where it is),
        ``NotFound``, ``Overloaded``, ``Draining``.
        """
        if len(self._tasks) >= FILES_WAITING_MAX:
            raise Overloaded("too many files are waiting; try again later", retry_after_s=60)
        async with self._checks:
            channels = await asyncio.to_thread(check_file, path, self._limits)
            await asyncio.to_thread(sync_file, path)
        name = Path(filename).name[:100] or "upload"
        known = options or SourceOptions()
        if channels > 1 and known.voices.diarize is None:
            known = replace(known, voices=replace(known.voices, diarize=False))  # each may be somebody's
        session = await self._hub.attach(
            transcript_id, replace(known, track=known.track or name, source="file", lane="file")
        )
        try:
            await asyncio.to_thread(_move, path, self.kept_path(session))
        except OSError as error:
            session.abandon()
            raise storage_error(error) from error
        await self._hub.sound.uploaded(session.track)
        self.begin(session)
        return session.track.id

    async def has_taken(self, track_id: str) -> bool:
        """Whether a file was taken over as that track. Raises ``StoreUnavailable`` where that is being done, or was cut
        short and is soon gone."""
        try:
            track = await self._store.get_track(track_id)
        except NotFound:
            return False
        if track.state == "open" and not await self._hub.sound.has_upload(track):
            raise StoreUnavailable("this file is being taken over; ask again", retry_after_s=1.0)
        return True

    async def go_on(self, track: Track, path: Path | None = None) -> None:
        """Hear a track's file from where its finals end. ``path``: its bytes once more, taken over, where they are not
        kept here. Raises what ``Hub.recover`` raises, and ``StoreUnavailable``."""
        if path is not None:
            try:
                kept = self._hub.recording_path(track).with_suffix(".upload")
                await asyncio.to_thread(_move, path, kept)
            except OSError as error:
                raise storage_error(error) from error
            await self._hub.sound.uploaded(track)
        self.begin(await self._hub.recover(track))

    def is_hearing(self, track_id: str) -> bool:
        return any(session.track.id == track_id for session in self._hub.sessions.values())

    async def heard(self, track_id: str) -> None:
        """Returns when the file of that track is heard to its end, and at once when it is not being heard."""
        for task in list(self._tasks):
            if task.get_name() == _task_name(track_id):
                await asyncio.wait([task])
        session = next((each for each in self._hub.sessions.values() if each.track.id == track_id), None)
        if session is not None and session.finishing is not None:
            await asyncio.wait([session.finishing])

    async def drop(self, track_id: str) -> None:
        """Feed that track no further. Its session is the caller's to end."""
        tasks = [task for task in self._tasks if task.get_name() == _task_name(track_id)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def cancel(self, session: LiveSession, why: EarshotError) -> None:
        """Hear no more of its file, at once: what was fed and not heard yet is let go. Its readers are told why."""
        await self.drop(session.track.id)
        await self._hub.drop(session)
        length_samples = session.pipeline.length_samples
        with logged(session.transcript_id):
            done = partial(self._store.update_track, session.track.id, length_samples=length_samples)
            await endings.patiently(lambda: done(state="finished"))
        self._tell(session.transcript_id, why, recoverable=False)
        with logged(session.transcript_id):
            await endings.patiently(lambda: self._hub.settle(session.transcript_id, failed=True))

    def kept_path(self, session: LiveSession) -> Path:
        """Where the uploaded bytes lie."""
        return self._hub.recording_path(session.track).with_suffix(".upload")

    def begin(self, session: LiveSession) -> None:
        """Feed the session from its kept file, in the background; also after a restart, from the beginning: what is
        recorded already is not recorded twice, and what was told is not told twice."""
        if session.finishing is not None:
            return  # ended before it could begin
        gone = asyncio.Event()
        task = asyncio.create_task(self._run(session, gone), name=_task_name(session.track.id))
        self._tasks.add(task)
        self._waiting.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._waiting.discard)

        def ended(_error: EarshotError | None) -> None:
            gone.set()
            if task in self._waiting:
                task.cancel()  # it stands in nobody's way

        session.attach(ended)

    async def stop(self) -> None:
        """Stop feeding; the files go on at the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, session: LiveSession, gone: asyncio.Event) -> None:
        path = self.kept_path(session)
        watching = asyncio.create_task(self._watch(session), name=f"progress {session.track.id}")
        try:
            async with AsyncExitStack() as stack:
                try:
                    asr = await stack.enter_async_context(self._recognisers.borrowed(session.track.model))
                    session.pipeline.hear_by(asr)
                    async with self._turns:
                        self._waiting.discard(_own_task())
                        await self._feed(session, path, gone)
                except NotFound:
                    return  # deleted meanwhile
                except EarshotError as error:
                    log.warning("file ended early", track=session.track.id, code=error.code)
                    session.failure = error  # what was heard until then is kept, and told
                    self._tell(session.transcript_id, error, recoverable=False)
                if not gone.is_set():
                    await session.stop()
                elif session.finishing is not None:
                    await asyncio.wait([session.finishing])  # it has words to come of its recogniser
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self, session: LiveSession) -> None:
        """Tell how far it is, also when all of the file is fed and words are still due."""
        while True:
            await asyncio.sleep(PROGRESS_LOOK_S)
            with logged(session.transcript_id):
                await self._hub.tell_progress(session.transcript_id)

    async def _feed(self, session: LiveSession, path: Path, gone: asyncio.Event) -> None:
        duration_s = await asyncio.to_thread(probe_duration_s, path, self._limits)
        session.declared_samples = round(duration_s * SAMPLE_RATE_HZ) if duration_s else None
        blocks = decode_file(path, self._limits)
        end_samples = 0
        try:
            while not gone.is_set() and (block := await asyncio.to_thread(next, blocks, None)) is not None:
                session.feed(block)
                end_samples = block.end_samples
                await session.pipeline.room()
                with logged(session.transcript_id):
                    await self._hub.tell_progress(session.transcript_id)
        finally:
            await asyncio.to_thread(_close, blocks)
        missing_s = (duration_s or 0.0) - end_samples / SAMPLE_RATE_HZ
        if missing_s > CUT_MIN_S and not gone.is_set():
            details = {"declared_s": duration_s, "heard_s": end_samples / SAMPLE_RATE_HZ}
            self._tell(session.transcript_id, AudioFormatError("the file ends early; it was cut", details=details))

    def _tell(self, transcript_id: str, error: EarshotError, *, recoverable: bool = True) -> None:
        """In its place among what is told of it; while the store is away nobody waits for that."""
        failed = Failed(code=error.code, message=error.message, details=error.details, recoverable=recoverable)
        with logged(transcript_id):
            self._journal.give(transcript_id, [failed])


def _task_name(track_id: str) -> str:
    return f"intake {track_id}"


def _own_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _move(path: Path, kept: Path) -> None:
    """Move the file there, and be sure that it is there after a power cut, too."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, kept)
    sync_folder(kept.parent)


def _close(blocks: Iterator[Block]) -> None:
    close = getattr(blocks, "close", None)
    if close is not None:
        close()
