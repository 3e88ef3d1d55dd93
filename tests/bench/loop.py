"""The inference loop: sessions per core, beside the naive way, and what shows over an hour. ``make bench-loop``.

Every part runs in a process of its own and what it found is written at once, so that a run that is broken off leaves
what it has.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from asr.child import worker_environment
from tests.bench import capacity, endurance, streams
from tests.bench import words as words_bench
from tests.bench.capacity import ALL, BASE, HALF, NAIVE, TINY, TURBO, Found, Plan, Way, say
from tests.bench.drive import Outcome, Span
from tests.bench.figures import FOLDER, Figures
from tests.bench.node import all_cores, cores
from tests.bench.voices import SPEECH, recordings

SPAN = Span(ramp_s=8.0, from_s=10.0, until_s=34.0)
QUICK_SPAN = Span(ramp_s=2.0, from_s=3.0, until_s=9.0)
REAL_TIME_S = 30.0
EVENT_LOOP_SESSIONS = 50
MODELS = FOLDER / "models"
EMBEDDED = "embedded-en"
NOTES = (
    "Real: the inference loop with its voice activity, messages taken apart and put together, the Whisper engine of "
    "Earshot with its features, prompts, batches and guards, and the network step by step, on weights of the real "
    "dimensions, int8, one thread. Replaced: the weights are random, so what the network says is given to it: 3.5 "
    "tokens per second of speech, the last 3 of each interim different from the next one's, words at an even pace. A "
    "token that is given costs as much as one that is chosen. Not included: the socket between the processes.",
    "The clock is the processor time of the one process, plus the time in which it had nothing to do: what other "
    "processes take does not count. The largest number of sessions was then tried once more in real time.",
    "Sound comes every 100 ms per session, an update is wanted every second. An update's lag is by how much the oldest "
    "speech in it is older than one second; kept up: p95 of it is at most 1 s and at most 5 % of the updates that were "
    "wanted are missing. Lag counts the engine's own time. From speech to words it is up to a second more.",
    "Naive: each session's whole buffer (8 to 15 s), padded to 30 s, every second, one by one, through "
    "faster-whisper's transcribe with beam 5, as whisper_streaming does; naive, greedy: the same with beam 1.",
    "pocketsphinx and voice activity are real in all. Hours of silence and noise are heard by pocketsphinx, the hour "
    "of speech by tiny, faster than in real time; memory growth is from a fifth of the hour to its end.",
    "The event loop's lag is that of the whole server with 50 WebSocket streams and the scripted engine, on all cores "
    "of this machine, the load among them.",
)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    figures: Figures
    quick: bool

    @property
    def core(self) -> int | None:
        pair = cores()
        return pair[0] if pair else None

    @property
    def span(self) -> Span:
        return QUICK_SPAN if self.quick else SPAN

    async def apart(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In a process of its own, with the environment of an inference process, that ends afterwards."""
        assert not kwargs
        before = dict(os.environ)
        os.environ.update(worker_environment())
        try:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                return await asyncio.get_running_loop().run_in_executor(pool, work, *args)
        finally:
            os.environ.clear()
            os.environ.update(before)

    async def voice_activity(self) -> None:
        spent_us, idle_ms = await self.apart(endurance.vad_us_per_chunk, self.core, 100 if self.quick else 1000)
        self.figures.add(vad_us_per_chunk_at_32=spent_us, vad_idle_cpu_ms_per_second=idle_ms)
        say(f"voice activity: {spent_us:.1f} us per chunk at 32 sessions")

    async def tiny(self) -> None:
        await self._capacity("tiny", (NAIVE, ALL, HALF) if self.quick else TINY)

    async def base(self) -> None:
        await self._capacity("base", BASE)

    async def turbo(self) -> None:
        await self._capacity("turbo", TURBO, limit=16)

    async def sphinx(self) -> None:
        await self._capacity(EMBEDDED, (ALL,) if self.quick else (ALL, HALF), name="sphinx")

    async def gpu(self) -> None:
        devices = await self.apart(_gpus)
        if not devices:
            say("no GPU that CTranslate2 can use: the curve per GPU is left out")
            self.figures.notes.append("This machine has no GPU: there is no curve per GPU.")
            return
        await self._capacity("turbo", (ALL, HALF), device="cuda", name="gpu_turbo", per="gpu")

    async def concurrent(self) -> None:
        sessions = 2 if self.quick else 8
        different, total = await self.apart(endurance.concurrent_word_differences, self.core, sessions)
        self.figures.add(concurrent_word_differences=different, concurrent_words=total, concurrent_sessions=sessions)

    async def hours(self) -> None:
        seconds = 30.0 if self.quick else endurance.HOUR_S
        growths = []
        for kind, engine in (("silence", EMBEDDED), ("noise", EMBEDDED), ("speech", "tiny")):
            found = await self.apart(endurance.hour, kind, engine, self.core, MODELS, seconds)
            if found is None:
                self.figures.notes.append(f"EARSHOT_TEST_DATA names no recordings: no hour of {kind}.")
                continue
            if not self.quick:  # in half a minute nothing is warm yet
                growths.append(found.growth_mb_per_hour)
                self.figures.add(**{f"{kind}_hour_memory_growth_mb": found.growth_mb_per_hour})
            if kind != "speech":
                self.figures.add(**{f"{kind}_hour_words": found.words})
        if growths:
            self.figures.add(memory_growth_mb_per_hour=max(growths))

    async def words(self) -> None:
        found = Figures("words", "")
        await words_bench.measure(found, quick=self.quick)
        live, whole = found.values["all_live_word_error_rate"], found.values["all_whole_word_error_rate"]
        self.figures.add(live_wer_minus_file_wer_points=(live - whole) * 100, live_wer_words=found.values["all_words"])

    async def event_loop(self) -> None:
        found = Figures("websocket", "")
        say(f"{EVENT_LOOP_SESSIONS} live sessions of the whole server")
        seconds = 12.0 if self.quick else 40.0
        with all_cores():
            await streams.measure(
                found, streams.WebSocketStream, count=EVENT_LOOP_SESSIONS, seconds=seconds, pinned=False
            )
        self.figures.add(
            event_loop_lag_p50_ms_50_sessions=found.values["loop_lag_p50_ms"],
            event_loop_lag_p99_ms_50_sessions=found.values["loop_lag_p99_ms"],
            words_wrong_50_sessions=found.values["words_wrong"],
            words_said_50_sessions=found.values["words_said"],
        )

    async def _capacity(
        self,
        engine: str,
        ways: Sequence[Way],
        *,
        name: str = "",
        device: str = "cpu",
        per: str = "core",
        limit: int = 512,
    ) -> None:
        plan = Plan(
            engine, ways, self.span, self.core, MODELS, device, limit, real_time_s=5.0 if self.quick else REAL_TIME_S
        )
        record(self.figures, name or engine, per, await self.apart(capacity.measure, plan))


PARTS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "vad": Bench.voice_activity,
    "tiny": Bench.tiny,
    "base": Bench.base,
    "turbo": Bench.turbo,
    "sphinx": Bench.sphinx,
    "gpu": Bench.gpu,
    "concurrent": Bench.concurrent,
    "hours": Bench.hours,
    "words": Bench.words,
    "event_loop": Bench.event_loop,
}
QUICK_PARTS = ("vad", "tiny", "sphinx", "gpu", "concurrent", "hours", "event_loop")


async def measure(figures: Figures, *, quick: bool, parts: Sequence[str] = ()) -> None:
    """The named parts, or all; with ``quick`` the shorter ones of them."""
    bench = Bench(figures, quick)
    figures.notes += [note for note in NOTES if note not in figures.notes]
    if not recordings(SPEECH[0]):
        figures.notes.append("EARSHOT_TEST_DATA names no recordings: everybody says the project's own sample.")
    for part in parts or (QUICK_PARTS if quick else PARTS):
        say(f"-- {part}")
        try:
            await PARTS[part](bench)
        except Exception as error:  # what the other parts find is worth having
            traceback.print_exc()
            figures.notes.append(f"The part {part} failed: {type(error).__name__}.")
        figures.write()


def record(figures: Figures, name: str, per: str, found: Sequence[Found]) -> None:
    """What was found for an engine, under flat names."""
    for each in found:
        ending = f"_{each.way}" if each.way else ""
        best = _telling(each)
        figures.add(**{f"{name}_sessions_per_{per}{ending}": each.sessions})
        figures.add(**{f"{name}_core_ms_per_session_second{ending}": best.busy * 1000 / best.sessions})
        if each.sessions and each.way in ("", HALF.name):
            figures.add(
                **{
                    f"{name}_lag_p50_ms{ending}": best.kept.lag_p50_ms,
                    f"{name}_lag_p95_ms{ending}": best.kept.lag_p95_ms,
                    f"{name}_speech_to_words_p95_ms{ending}": best.kept.speech_to_words_p95_ms,
                }
            )
            if each.real_time is not None:
                figures.add(**{f"{name}_real_time_lag_p95_ms{ending}": each.real_time.kept.lag_p95_ms})
        figures.tables[f"{name}{ending}"] = list(capacity.curve(each))


def _telling(found: Found) -> Outcome:
    """The largest run that kept up; where none did, the smallest."""
    up = [outcome for outcome in found.tried if outcome.kept.up and outcome.sessions <= found.sessions]
    return up[-1] if up else found.tried[0]


def _gpus() -> int:
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count())
