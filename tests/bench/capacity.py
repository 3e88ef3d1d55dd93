"""How many live sessions one core keeps up with, for an engine and a way of using it: a curve and its largest number.

Runs in a process of its own on one core, so that nothing of the bench is measured along with it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from asr.agreement import Agreement
from asr.commit import CommittingEngine
from asr.contract import Samples, StreamingEngine
from asr.engines.choose import choose, load
from asr.engines.whisper_model import WhisperModel
from asr.loop import InferenceLoop
from asr.utterances import FRAME_SAMPLES
from asr.vad import SileroVoiceActivity, VoiceActivity
from asr.worker import keep_memory
from asr.worker_settings import WorkerSettings
from protocol.words import Word
from tests.bench.clocks import Clock, ComputedClock, WallClock
from tests.bench.drive import CADENCE_S, Drive, MakeLoop, Outcome, Span
from tests.bench.naive import NaiveLoop
from tests.bench.search import Search
from tests.bench.stand_in import MeasuredWhisper, StandIn, find_vocabulary
from tests.bench.voices import talks
from tests.fakes.random_whisper import build_random_whisper

NAMES = {"tiny": "whisper-tiny.en", "base": "whisper-base.en", "turbo": "whisper-large-v3-turbo"}


@dataclass(frozen=True)
class Way:
    """A way to use an engine. ``half``: half of the sound is silence. ``naive``: the beam of the naive way instead.

    The others can be switched off one by one; ``short`` None leaves it to what the engine knows of the model.
    """

    name: str
    half: bool = False
    naive: int | None = None
    batch: bool = True
    short: bool | None = True
    cut: bool = True
    gate: bool = True


NAIVE = Way("naive", naive=5)
ALL = Way("")
HALF = Way("half_speech", half=True)
TINY = (
    NAIVE,
    Way("naive_greedy", naive=1),
    Way("one_by_one_padded", batch=False, short=False, cut=False),
    Way("batch_only", short=False, cut=False),
    Way("short_encoder_only", batch=False, cut=False),
    Way("batch_and_short_encoder", cut=False),
    ALL,
    Way("half_speech_without_gate", half=True, gate=False),
    HALF,
)
BASE = (NAIVE, Way("batch_and_short_encoder", cut=False), ALL, HALF)
TURBO = (NAIVE, replace(ALL, short=None), Way("short_encoder"))


@dataclass(frozen=True)
class Plan:
    """What to measure in one process. ``engine``: tiny, base, turbo, or a model that is always here."""

    engine: str
    ways: Sequence[Way]
    span: Span
    core: int | None
    models: Path
    device: str = "cpu"
    limit: int = 512
    real_time_s: float = 0.0  # how long the largest number is tried once more in real time


@dataclass(frozen=True)
class Found:
    """Of one way: the largest number of sessions, all that was tried, and the largest once more in real time."""

    way: str
    sessions: int
    tried: tuple[Outcome, ...]
    real_time: Outcome | None = None


class NeverAgree:
    """A commit policy under which nothing is committed before the end, and so no sound is cut away."""

    def take(self, committed: Sequence[Word], words: Sequence[Word], from_samples: int) -> Agreement:
        return Agreement(0, 0)


class AlwaysVoice:
    """No gate: all sound is taken for speech, for nothing."""

    def open(self, first_frame: int = 0) -> Any:
        return None

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        return [[1.0] * (len(frames) // FRAME_SAMPLES) for _, frames in batch]


def begin_process(core: int | None) -> None:
    """First of all in a process that measures: as the inference process begins, and on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    keep_memory()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def measure(plan: Plan) -> list[Found]:
    """All ways of a plan, one after the other. Prints how it goes."""
    begin_process(plan.core)
    bench = Whisper(plan) if plan.engine in NAMES else Present(plan.engine)
    return [_find(plan, way, bench) for way in plan.ways]


class Whisper:
    """A model of real dimensions and random weights, loaded once for all ways."""

    def __init__(self, plan: Plan) -> None:
        self._folder = random_model(plan.models, plan.engine)
        self._name = NAMES[plan.engine]
        say(f"{plan.engine}: loading")
        self._loaded, self._stand_in = load_random(self._folder, plan.device)
        self._device = plan.device
        say(f"{plan.engine}: ready")

    def loop(self, way: Way) -> MakeLoop:
        """Makes a loop anew for every run; the engine is the same for all of them."""
        if way.naive is not None:
            return partial(NaiveLoop, self._loaded, self._stand_in, way.naive)
        return partial(_inference_loop, self.engine(way), _voice(way))

    def network(self) -> Mapping[str, float]:
        """What the network took since this was last asked."""
        return self._stand_in.meter.read()

    def engine(self, way: Way) -> StreamingEngine:
        model = WhisperModel(
            self._stand_in, self._loaded.hf_tokenizer, self._loaded.feature_extractor.mel_filters, self._device
        )
        engine = MeasuredWhisper(
            self._folder, self._name, model, short_encoder=way.short, rows_max=None if way.batch else 1
        )
        return CommittingEngine(engine) if way.cut else CommittingEngine(engine, NeverAgree)


class Present:
    """An engine that is there as it is: real in all."""

    def __init__(self, name: str) -> None:
        self._engine = load(choose(name, "en", Path("/nonexistent")), WorkerSettings())

    def loop(self, way: Way) -> MakeLoop:
        return partial(_inference_loop, self._engine, _voice(way))

    def network(self) -> Mapping[str, float]:
        return {}


def random_model(folder: Path, size: str) -> Path:
    """The model in ``folder``, built at its first use."""
    path = folder / size
    if not (path / "preprocessor_config.json").exists():
        say(f"{size}: building a model of random weights in {path}")
        build_random_whisper(path, size)
    return path


def load_random(folder: Path, device: str) -> tuple[Any, StandIn]:
    """faster-whisper's model, its network replaced by the stand-in that is returned too."""
    from faster_whisper import WhisperModel as Loaded

    loaded = Loaded(
        str(folder),
        device=device,
        compute_type="int8" if device == "cpu" else "float16",
        cpu_threads=1 if device == "cpu" else 0,
        local_files_only=True,
    )
    size = loaded.hf_tokenizer.get_vocab_size()
    names = [loaded.hf_tokenizer.id_to_token(token) for token in range(size)]
    vocabulary = find_vocabulary(loaded.model, loaded.hf_tokenizer)
    stand_in = StandIn(loaded.model, vocabulary, names)
    loaded.model = stand_in
    return loaded, stand_in


def _inference_loop(
    engine: StreamingEngine, voice: VoiceActivity, tell: Callable[[Any], None], clock: Callable[[], float]
) -> InferenceLoop:
    return InferenceLoop(engine, voice, WorkerSettings(interim_interval_ms=round(CADENCE_S * 1000)), tell, clock)


def _voice(way: Way) -> VoiceActivity:
    return SileroVoiceActivity() if way.gate else AlwaysVoice()


def _find(plan: Plan, way: Way, bench: Whisper | Present) -> Found:
    make = partial(bench.loop, way)
    title = f"{plan.engine} {way.name or 'all'}"
    search = Search(limit=plan.limit)
    tried: dict[int, Outcome] = {}
    while (count := search.next()) is not None:
        loop = make()
        bench.network()
        outcome = run(loop, count, plan.span, way, clock_for(plan.device))
        outcome = tried[count] = replace(outcome, network=bench.network())
        search.tried(count, passed=outcome.kept.up, busy=outcome.busy)
        say(f"{title}: {told(outcome)}")
    real_time = None
    if plan.real_time_s and search.passed:
        span = replace(plan.span, until_s=plan.span.from_s + plan.real_time_s)
        real_time = run(make(), search.passed, span, way, WallClock())
        say(f"{title} in real time: {told(real_time)}")
    return Found(way.name, search.passed, tuple(tried[count] for count in sorted(tried)), real_time)


def run(make: MakeLoop, count: int, span: Span, way: Way, clock: Clock) -> Outcome:
    with clock.aside():
        sound = talks(count, span.until_s, half=way.half)
    return Drive(make, sound, span, clock).run()


def clock_for(device: str) -> Clock:
    return ComputedClock() if device == "cpu" else ComputedClock(time.perf_counter)


def told(outcome: Outcome) -> str:
    kept = outcome.kept
    return (
        f"{outcome.sessions} sessions: {'kept up' if kept.up else 'fell behind'}, lag p50 {kept.lag_p50_ms:.0f} "
        f"p95 {kept.lag_p95_ms:.0f} ms, {kept.coalesced:.0%} of updates missed, busy {outcome.busy:.0%}"
        f"{''.join(f', {name} {value:.1f}' for name, value in outcome.network.items())}"
    )


def say(text: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)


def curve(found: Found) -> list[Mapping[str, float]]:
    """The tries as rows of a table."""
    return [
        {
            "sessions": outcome.sessions,
            "lag_p50_ms": outcome.kept.lag_p50_ms,
            "lag_p95_ms": outcome.kept.lag_p95_ms,
            "speech_to_words_p95_ms": outcome.kept.speech_to_words_p95_ms,
            "missed_updates": outcome.kept.coalesced,
            "busy": outcome.busy,
            "kept_up": float(outcome.kept.up),
            **outcome.network,
        }
        for outcome in found.tried
    ]
