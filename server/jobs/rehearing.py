"""A short stretch of sound heard once more, by another recogniser: of a clip that comes with the request, or of a job.

What a job's segment said before is kept as an older revision; its readers are told the new one by an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import structlog

from asr.contract import SessionOptions
from asr.models import CATALOGUE, Model, is_whole
from asr.segments import join_words
from media.decode import DecodeLimits, check_file, decode_file
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError, BadInput, Conflict, EngineFailed, NotFound, Overloaded, TooLarge
from protocol.events import Transcribed
from protocol.words import Segment, Word
from server.hub import Hub
from server.intake import CHECKS_AT_ONCE, CONTAINERS, MEBIBYTE, SAMPLE_RATE_MAX_HZ, SAMPLE_RATE_MIN_HZ
from server.jobs.jobs import Jobs
from server.journal import Journal
from server.recognisers import Recognisers
from server.segment_pages import segment_pages
from server.session_options import track_language
from server.settings import Settings
from server.speakers import Speakers
from server.store.changes import check_unlocked
from server.store.records import StoredSegment, Track
from server.store.store import Store

log = structlog.get_logger(__name__)

LENGTH_MAX_S = 120.0
CLIP_MAX_MB = 50
AT_ONCE = 2
WAITING_MAX = 20
DEADLINE_S = 300.0
EDGE_SAMPLES = SAMPLE_RATE_HZ // 10
"""Recognisers differ by so much in where a word begins."""
BEST = "whisper-large-v3-turbo"
"""By which a stretch is heard again for who names no model, if it is here."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Times of words are samples of the track; of a clip, from its beginning. ``model``: by which it was heard."""

    text: str
    words: tuple[Word, ...]
    confidence: float
    language: str | None
    model: str
    segment: Segment | None = None  # that took the place of another


@dataclass
class _Collected:
    """Who hears of a recogniser's session: its finals, in order."""

    finals: list[Segment] = field(default_factory=list)
    failure: str = ""

    def on_segment(self, segment: Segment, lag_ms: int) -> None:
        if segment.is_final and segment.text:
            self.finals.append(segment)

    def on_settled(self, samples: int) -> None: ...

    def on_engine_state(self, state: Literal["ok", "degraded"]) -> None: ...

    def on_gave_up(self, start_samples: int, end_samples: int, message: str) -> None:
        self.failure = message


class Rehearing:
    """One for a node. Few at once, a little later than what is live."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        journal: Journal,
        speakers: Speakers,
        recognisers: Recognisers,
        jobs: Jobs,
    ) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._journal = journal
        self._speakers = speakers
        self._recognisers = recognisers
        self._jobs = jobs
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._waiting = 0
        self._limits = DecodeLimits(
            bytes_max=CLIP_MAX_MB * MEBIBYTE,
            duration_max_s=LENGTH_MAX_S,
            sample_rate_min_hz=SAMPLE_RATE_MIN_HZ,
            sample_rate_max_hz=SAMPLE_RATE_MAX_HZ,
            containers=CONTAINERS,
        )

    async def clip(self, path: Path, *, model: Model | None, language: str | None) -> Heard:
        """What is said in the file at ``path``. Raises ``AudioFormatError``, ``TooLarge``, and as ``segment``."""
        self._check_language(model, language)
        with self._counted():
            async with self._checks:
                await asyncio.to_thread(check_file, path, self._limits)
            blocks = decode_file(path, self._limits)
            return await self._heard(blocks, model, language or track_language(self._settings))

    async def segment(
        self,
        job_id: str,
        segment_id: str,
        *,
        start_s: float,
        end_s: float,
        model: Model | None,
        language: str | None,
    ) -> Heard:
        """What is said from ``start_s`` to ``end_s`` of a job's sound; the text of that segment, if there is one.

        Where nothing is heard now, what was heard before stays. Raises ``NotFound``, ``BadInput`` (no such stretch, no
        such language), ``TooLarge``, ``Conflict`` (no such model here, locked, the sound is gone), ``Overloaded``,
        ``EngineFailed``.
        """
        self._check_language(model, language)
        job = await self._store.jobs.get(job_id)
        check_unlocked(job.transcript)
        if job.transcript.audio_deleted:
            raise Conflict("the sound of this job was deleted: only its words are left")
        stored = await self._stored(job_id, segment_id)
        track = await self._track(job_id, stored)
        start_samples, end_samples = _stretch(start_s, end_s, track)
        await self._hub.sound.fetch(track)
        recording = self._hub.recording(track)
        blocks = (block.moved(-start_samples) for block in recording.blocks(start_samples, end_samples))
        with self._counted():
            heard = await self._heard(blocks, model, language or job.transcript.language)
        heard = replace(heard, words=tuple(_moved(word, start_samples) for word in heard.words))
        if stored is None or not heard.words:
            return heard
        return await self._replaced(job_id, segment_id, heard, (start_samples, end_samples), track)

    def _check_language(self, model: Model | None, language: str | None) -> None:
        if model is not None:  # else the best that there is
            self._jobs.check_language(model, language)

    async def _replaced(
        self, job_id: str, segment_id: str, heard: Heard, stretch: tuple[int, int], track: Track
    ) -> Heard:
        async with self._speakers.alone(job_id):
            await self._journal.flushed()
            stored = await self._stored(job_id, segment_id)  # as it is now: somebody may have said who speaks
            if stored is None:
                return heard
            check_unlocked(await self._store.get_transcript(job_id))
            segment = revised(stored.segment, heard, *stretch)
            if segment is None:
                return heard
            await self._journal.append(job_id, Transcribed(segment=segment, track_started_at=track.started_at))
        log.info("segment heard again", job=job_id, segment=segment_id, model=heard.model)
        return replace(heard, segment=segment)

    async def _heard(self, blocks: Iterator[Block], model: Model | None, language: str | None) -> Heard:
        try:
            heard_by = await self._jobs.check_model(model if model is not None else await self._best())
            async with asyncio.timeout(DEADLINE_S), self._recognisers.borrowed(heard_by) as asr, self._turns:
                collected = _Collected()
                session = asr.open(
                    track="again",
                    start_samples=0,
                    options=SessionOptions(language=language, interim=False, lane="file"),
                    listener=collected,
                    read_back=_nothing,
                )
                try:
                    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
                        session.feed(block)
                        await session.room()
                    await session.finalize()
                finally:
                    await session.close()
                return _told(collected, heard_by or asr.status.model)
        except TimeoutError:
            raise Overloaded("it was not heard in time; try later", retry_after_s=30) from None
        finally:
            await asyncio.to_thread(_close, blocks)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._waiting >= WAITING_MAX:
            raise Overloaded("too much is to be heard again; try later", retry_after_s=10)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _best(self) -> Model | None:
        best = CATALOGUE[BEST]
        is_here = await asyncio.to_thread(is_whole, best, self._settings.models_dir / best.name)
        return best if is_here and self._settings.other_models_max else None

    async def _stored(self, job_id: str, segment_id: str) -> StoredSegment | None:
        async for page in segment_pages(self._store, job_id):
            for stored in page:
                if stored.segment.segment_id == segment_id:
                    return stored
        return None

    async def _track(self, job_id: str, stored: StoredSegment | None) -> Track:
        tracks = await self._store.tracks_of(job_id)
        found = [track for track in tracks if stored is None or track.id == stored.segment.track]
        if not found:
            raise NotFound("there is no sound of this job", details={"job_id": job_id})
        return found[0]


def _stretch(start_s: float, end_s: float, track: Track) -> tuple[int, int]:
    """In samples of the track, within what there is of it."""
    start_samples, end_samples = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
    end_samples = min(end_samples, track.length_samples)
    if not 0 <= start_samples < end_samples:
        length_s = round(track.length_samples / SAMPLE_RATE_HZ, 3)
        raise BadInput("end_time must come after start_time, within the sound", details={"audio_duration": length_s})
    if end_samples - start_samples > LENGTH_MAX_S * SAMPLE_RATE_HZ:
        raise TooLarge(f"at most {LENGTH_MAX_S:.0f} s are heard again at once", details={"max_s": LENGTH_MAX_S})
    return start_samples, end_samples


def _told(collected: _Collected, model: str) -> Heard:
    if collected.failure:
        raise EngineFailed(f"this could not be heard: {collected.failure}")
    finals = sorted(collected.finals, key=lambda segment: segment.start_samples)
    words = tuple(word for segment in finals for word in segment.words)
    sure = sum(segment.confidence * max(1, len(segment.words)) for segment in finals)
    count = sum(max(1, len(segment.words)) for segment in finals)
    language = next((segment.language for segment in finals if segment.language), None)
    text = finals[0].text if len(finals) == 1 else join_words(words, language)
    return Heard(text, words, sure / count if count else 0.0, language, model)


def revised(segment: Segment, heard: Heard, start_samples: int, end_samples: int) -> Segment | None:
    """The segment with what was heard from ``start_samples`` to ``end_samples`` in the place of what stood there.

    What is said outside of that stretch stays, and what was heard outside of the segment is its neighbours'. None where
    nothing was heard within.
    """
    first = min([segment.start_samples, *(word.start_samples for word in segment.words)])
    last = max([segment.end_samples, *(word.end_samples for word in segment.words)])
    new = [word for word in heard.words if first - EDGE_SAMPLES <= word.start_samples < last]
    if not new:
        return None
    before = [word for word in segment.words if word.start_samples < start_samples]
    after = [word for word in segment.words if word.start_samples >= end_samples]
    words = (*before, *new, *after)
    language = heard.language or segment.language
    is_whole = len(new) == len(heard.words) == len(words)
    return segment.model_copy(
        update={
            "text": heard.text if is_whole else join_words(words, language),
            "words": words,
            "confidence": min(1.0, sum(word.confidence for word in words) / len(words)),
            "language": language,
            "revision": segment.revision + 1,
        }
    )


def _moved(word: Word, by_samples: int) -> Word:
    update = {"start_samples": word.start_samples + by_samples, "end_samples": word.end_samples + by_samples}
    return word.model_copy(update=update)


def _nothing(start_samples: int, end_samples: int) -> Iterator[Block]:
    """A clip is short enough to stay in memory: what is asked for again is there."""
    raise AudioFormatError("the clip is not kept")


def _close(blocks: Iterator[Block]) -> None:
    close = getattr(blocks, "close", None)
    if close is not None:
        close()
