"""What shows only after a while, or only among others: words in silence, memory over an hour, words of many at once."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from asr import wire
from asr.contract import Samples, StreamingEngine
from asr.engines.choose import choose, load
from asr.loop import InferenceLoop
from asr.utterances import FRAME_SAMPLES
from asr.vad import SileroVoiceActivity, VoiceActivity
from asr.worker_settings import WorkerSettings
from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.capacity import ALL, Plan, Whisper, begin_process, say
from tests.bench.clocks import ComputedClock
from tests.bench.drive import PIECE_S, PIECE_SAMPLES, Drive, MakeLoop, Span, Talk
from tests.bench.figures import percentile
from tests.bench.voices import hiss, noise, recordings, speech
from tests.bench.words import normal
from tests.fakes.spoken_sample import read_sound, spoken_sample

HOUR_S = 3600.0
VAD_SESSIONS = 32
WARM = 0.2  # of an hour, after which memory is to be flat


@dataclass(frozen=True)
class Hour:
    """``words``: told in finals. ``growth_mb_per_hour``: of the process's memory after it is warm."""

    words: int
    growth_mb_per_hour: float
    computed_s: float


class Told:
    """The finals of each session, in order."""

    def __init__(self) -> None:
        self.finals: dict[str, list[str]] = {}

    def __call__(self, message: BaseModel) -> None:
        if isinstance(message, wire.Heard) and message.final:
            self.finals.setdefault(message.session_id, []).extend(word.text for word in message.words)


def vad_us_per_chunk(core: int | None, rounds: int) -> tuple[float, float]:
    """Microseconds of processor for a frame of each of 32 sessions, per frame; and ms a second burnt while idle."""
    begin_process(core)
    voice = SileroVoiceActivity()
    states = [voice.open() for _ in range(VAD_SESSIONS)]
    sound = spoken_sample().samples
    frames = [sound[at * FRAME_SAMPLES : (at + 1) * FRAME_SAMPLES] for at in range(len(sound) // FRAME_SAMPLES)]
    spent_us = []
    for turn in range(rounds + 10):
        batch = [(state, frames[(turn + 7 * i) % len(frames)]) for i, state in enumerate(states)]
        before_s = time.process_time()
        voice.listen(batch)
        spent_us.append((time.process_time() - before_s) * 1e6 / VAD_SESSIONS)
    before_s = time.process_time()
    time.sleep(1.0)
    return percentile(spent_us[10:], 50), (time.process_time() - before_s) * 1000


def concurrent_word_differences(core: int | None, sessions: int) -> tuple[int, int]:
    """Words of finals that differ when as many sessions speak at once from what each is told alone; and all words."""
    begin_process(core)
    make = present_loop("embedded-en")
    talks = [_whole(sound) for sound in _recorded(sessions)]
    together = _finals(make, talks)
    different = total = 0
    for number, talk in enumerate(talks):
        [alone] = _finals(make, [talk])
        different += sum(a != b for a, b in zip(alone, together[number], strict=False))
        different += abs(len(alone) - len(together[number]))
        total += len(alone)
        say(f"pocketsphinx: session {number + 1} of {sessions} alone, {different} words differ so far")
    return different, total


def hour(kind: str, engine: str, core: int | None, models: Path, seconds: float) -> Hour | None:
    """One session that hears ``silence``, ``noise`` or ``speech`` for so long. None where there is no such sound."""
    begin_process(core)
    sound = _sound(kind)
    if sound is None:
        return None
    make = present_loop(engine) if engine == "embedded-en" else whisper_loop(engine, models)
    told, memory = Told(), Memory(seconds)
    clock = ComputedClock()

    def watch(message: BaseModel) -> None:
        told(message)
        if isinstance(message, wire.Settled):
            memory.look(message.through_samples / SAMPLE_RATE_HZ)

    Drive(make, [Loopback(sound, seconds)], Span(0.0, 0.0, 10 * seconds), clock, watch, gives_up=False).run()
    words = sum(len(normal(" ".join(finals)).split()) for finals in told.finals.values())
    found = Hour(words, memory.growth_mb_per_hour, clock.now_s() - clock.idle_s)
    say(f"{seconds / 60:.0f} min of {kind}, {engine}: {words} words, memory {found.growth_mb_per_hour:+.2f} MB an hour")
    return found


class Loopback(Talk):
    """A sound over and over for so long, without ever being that long in memory."""

    def __init__(self, sound: Samples, seconds: float) -> None:
        whole = sound[: len(sound) // PIECE_SAMPLES * PIECE_SAMPLES]
        super().__init__(whole, np.zeros(int(seconds / PIECE_S), bool))

    @property
    def pieces(self) -> int:
        return len(self.voiced)

    def piece(self, number: int) -> bytes:
        return super().piece(number % (len(self.samples) // PIECE_SAMPLES))


class Memory:
    """The process's memory over the seconds of a track."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._warm: tuple[float, float] | None = None
        self._last = (0.0, 0.0)

    def look(self, at_s: float) -> None:
        if self._warm is None and at_s >= WARM * self._seconds:
            gc.collect()
            self._warm = (at_s, resident_mb())
        elif at_s >= self._last[0] + self._seconds / 20:
            self._last = (at_s, resident_mb())

    @property
    def growth_mb_per_hour(self) -> float:
        if self._warm is None or self._last[0] <= self._warm[0]:
            return float("nan")
        return (self._last[1] - self._warm[1]) / (self._last[0] - self._warm[0]) * HOUR_S


def resident_mb() -> float:
    """NaN where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def present_loop(name: str) -> MakeLoop:
    engine = load(choose(name, "en", Path("/nonexistent")), WorkerSettings())
    return partial(_loop, engine, SileroVoiceActivity())


def whisper_loop(size: str, models: Path) -> MakeLoop:
    whisper = Whisper(Plan(size, (), Span(0, 0, 0), None, models))
    return partial(_loop, whisper.engine(ALL), SileroVoiceActivity())


def _loop(
    engine: StreamingEngine, voice: VoiceActivity, tell: Callable[[BaseModel], None], clock: Callable[[], float]
) -> InferenceLoop:
    return InferenceLoop(engine, voice, WorkerSettings(), tell, clock)


def _sound(kind: str) -> Samples | None:
    if kind == "silence":
        return _silence()
    return noise() if kind == "noise" else speech().samples


def _silence() -> Samples:
    """Half of it digital silence, half of it what a quiet room's microphone gives."""
    minute = 60 * SAMPLE_RATE_HZ
    return np.concatenate([np.zeros(minute, np.int16), hiss(minute, seed=3)])


def _recorded(count: int) -> list[Samples]:
    paths = recordings("speech/librispeech_test_other")
    if not paths:
        return [spoken_sample().samples] * min(count, 2)
    return [read_sound(path) for path in paths[:: max(1, len(paths) // count)][:count]]


def _whole(sound: Samples) -> Talk:
    pieces = len(sound) // PIECE_SAMPLES
    return Talk(sound[: pieces * PIECE_SAMPLES], np.ones(pieces, bool))


def _finals(make: MakeLoop, talks: list[Talk]) -> list[list[str]]:
    told = Told()
    Drive(make, talks, Span(0.2, 0.0, HOUR_S), ComputedClock(), told, gives_up=False).run()
    return [told.finals.get(str(number), []) for number in range(len(talks))]
