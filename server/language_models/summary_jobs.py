"""Summaries that somebody asked for, made in the background.

They stand in the store, so that what a crash or a restart interrupts is begun again. What a summary is made of is kept
until it is made, and the summary for some days.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from protocol.errors import EarshotError, Internal, StoreUnavailable
from protocol.states import SummaryState
from protocol.words import Segment
from server.language_models.extractive import Summary
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.lines import Line, lines_of, lines_of_text
from server.language_models.summarising import Summarising
from server.language_models.transcripts import stored_lines
from server.rounds import repeat
from server.store.store import Store
from server.store.summary_job_store import ClaimedJob, SummaryJob
from server.summaries.extract import SummaryForm

log = structlog.get_logger(__name__)

LOOK_S = 15.0
SWEEP_S = 3600.0
LEASE_S = 60.0
MAKERS_MAX = 8
ATTEMPTS_MAX = 5  # that ended with the server, and perhaps ended it
DAY_S = 86400.0


# A segment: where it begins and ends, in samples; who speaks; and what.
Spoken = tuple[int, int, str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A summary of a stored transcript, or of segments, or of a text of which no more is known."""

    form: SummaryForm
    words_max: int
    model: str  # one that there is
    transcript_id: str | None = None
    segments: tuple[Spoken, ...] = ()
    text: str = ""

    def to_text(self) -> str:
        """Takes a while for long ones: not on the event loop. In JSON, a line each segment and one before them: in one
        piece no other thread would run meanwhile."""
        about = {"form": self.form, "words_max": self.words_max, "model": self.model}
        of_what = {"transcript_id": self.transcript_id, "text": self.text}
        return "\n".join([json.dumps(about | of_what), *map(json.dumps, self.segments)])

    @classmethod
    def from_text(cls, text: str) -> Wanted:
        about, *segments = text.split("\n")
        return cls(**json.loads(about), segments=tuple(tuple(json.loads(each)) for each in segments))


class SummaryJobs:
    """Takes wishes for summaries, and fulfils some at a time."""

    def __init__(self, settings: LanguageModelSettings, store: Store, summarising: Summarising) -> None:
        self._settings = settings
        self._store = store
        self._summarising = summarising
        self._woken = asyncio.Event()
        self._progress: dict[str, tuple[int, int]] = {}  # requests of what is made here: answered, and all so far
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """What was being made when the server ended is begun again. Raises what the store raises."""
        await self._store.summary_jobs.give_back_of_dead()
        # As many as may ask the model at once without keeping those out who wait for an answer.
        count = min(MAKERS_MAX, max(1, self._settings.llm_at_once - 1))
        rounds = [repeat(self.make_all, every_s=LOOK_S, name="summary jobs", woken=self._woken) for _ in range(count)]
        rounds.append(repeat(self.sweep, every_s=SWEEP_S, name="old summary jobs"))
        self._tasks = [asyncio.create_task(each, name="summary jobs") for each in rounds]

    async def stop(self) -> None:
        """What is not made yet is made after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, owner: str | None, wanted: Wanted) -> SummaryJob:
        """Raises ``Overloaded`` where too many wait."""
        job = await self._store.summary_jobs.ask(
            owner,
            await asyncio.to_thread(wanted.to_text),
            transcript_id=wanted.transcript_id,
            waiting_max=self._settings.summaries_waiting_max,
            kept_max=self._settings.summaries_kept_max,
        )
        self._woken.set()
        return job

    def progress_of(self, job: SummaryJob) -> int:
        """Per cent."""
        if job.state is not SummaryState.PROCESSING:
            return job.progress
        return max(job.progress, self._per_cent(job.id))

    async def make_all(self) -> None:
        """Make what is to be made and nobody makes, one after the other."""
        while (job := await self._store.summary_jobs.claim(lease_s=LEASE_S)) is not None:
            renewing = asyncio.create_task(self._renew(job), name="lease of a summary")
            try:
                await self._make(job)
            except asyncio.CancelledError:
                with contextlib.suppress(EarshotError):
                    await self._store.summary_jobs.give_back(job)
                raise
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
                self._progress.pop(job.id, None)

    async def sweep(self) -> None:
        """Delete what was kept for long enough."""
        kept_s = self._settings.summaries_kept_days * DAY_S
        if count := await self._store.summary_jobs.delete_old(kept_s=kept_s):
            log.info("old summaries are deleted", count=count)

    async def _make(self, job: ClaimedJob) -> None:
        store = self._store.summary_jobs
        try:
            if job.attempts > ATTEMPTS_MAX:
                raise Internal("this summary was begun too often, and never came to its end")
            summary = await self._summary(job)
        except StoreUnavailable:
            raise  # it is begun again
        except EarshotError as error:
            log.warning("a summary could not be made", job=job.id, code=error.code)
            await store.fail(job, error.to_dict())
        except Exception:
            log.exception("a summary could not be made", job=job.id)
            await store.fail(job, Internal("something went wrong on our side").to_dict())
        else:
            await store.finish(job, result_of(summary))

    async def _summary(self, job: ClaimedJob) -> Summary:
        wanted = await asyncio.to_thread(Wanted.from_text, job.body)

        def told(done: int, count: int) -> None:
            self._progress[job.id] = (done, count)

        lines = await self._lines(wanted)
        return await self._summarising.summary(lines, wanted.form, wanted.words_max, wanted.model, told=told)

    async def _lines(self, wanted: Wanted) -> Sequence[Line]:
        if wanted.transcript_id is not None:
            return await stored_lines(self._store, wanted.transcript_id)
        return await asyncio.to_thread(lines_wanted, wanted.segments, wanted.text)

    async def _renew(self, job: ClaimedJob) -> None:
        """Hold the lease, and note how far it is, until cancelled."""
        while True:
            await asyncio.sleep(LEASE_S / 6)
            with contextlib.suppress(EarshotError):
                await self._store.summary_jobs.renew(job, progress=self._per_cent(job.id), lease_s=LEASE_S)

    def _per_cent(self, job_id: str) -> int:
        done, count = self._progress.get(job_id, (0, 0))
        return 100 * done // (count + 1)  # and one more, which puts all together


def lines_wanted(segments: Sequence[Spoken], text: str) -> list[Line]:
    """Of segments that are sent or, where there are none with words, of the text."""
    found = [
        Segment(
            segment_id=f"{at:09}",
            track="",
            text=said,
            start_samples=start_samples,
            end_samples=end_samples,
            is_final=True,
            speaker=speaker or None,
        )
        for at, (start_samples, end_samples, speaker, said) in enumerate(segments)
    ]
    return lines_of(found) or lines_of_text(text)


def failure_of(job: SummaryJob) -> EarshotError:
    """What it failed with."""
    error = job.error or {}
    kinds = [EarshotError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if kind.code == error.get("code"):
            return kind(error["message"], details=error["details"])
    return Internal("something went wrong on our side")


def result_of(summary: Summary) -> dict[str, Any]:
    """As it is kept, and as the documented API answers."""
    return {
        "summary": summary.text,
        "topics": list(summary.topics),
        "length": summary.length,
        "model_used": summary.model,
    }
