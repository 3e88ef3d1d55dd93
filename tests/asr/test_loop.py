from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from asr import wire
from asr.contract import EngineInfo, SessionOptions, Step
from asr.engines.scripted import ScriptedEngine
from asr.loop import InferenceLoop
from asr.vad import EnergyVoiceActivity
from asr.worker_settings import WorkerSettings
from protocol.words import Hypothesis, Word
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence

LIVE = SessionOptions()
FILE = SessionOptions(lane="file")


class CountingEngine(ScriptedEngine):
    """Counts its steps, and its open streams; ``cost_s`` of the bench's clock passes with each step."""

    def __init__(self, bench: Bench, cost_s: float) -> None:
        super().__init__("scripted", Path("unused"))
        self.bench = bench
        self.cost_s = cost_s
        self.finals = 0
        self.interims = 0
        self.streams = 0

    def open(self, options: SessionOptions) -> Any:
        self.streams += 1
        return super().open(options)

    def close(self, stream: Any) -> None:
        self.streams -= 1
        super().close(stream)

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        self.bench.now_s += self.cost_s * len(steps)
        self.finals += sum(step.flush for step in steps)
        self.interims += sum(not step.flush for step in steps)
        return super().step(steps)


@dataclass
class Bench:
    """A loop with the clock in hand."""

    cost_s: float = 0.0
    settings: WorkerSettings = field(default_factory=WorkerSettings)
    now_s: float = 0.0
    engine_of: Callable[[Bench], CountingEngine] | None = None

    def __post_init__(self) -> None:
        self.said: list[BaseModel] = []
        self.engine = self.engine_of(self) if self.engine_of else CountingEngine(self, self.cost_s)
        self.loop = InferenceLoop(
            self.engine, EnergyVoiceActivity(), self.settings, self.said.append, lambda: self.now_s
        )

    def open(
        self,
        name: str = "s",
        options: SessionOptions = LIVE,
        *,
        start: int = 0,
        generation: int = 1,
        alone_until_samples: int = 0,
    ) -> None:
        self.loop.take(
            wire.Open(
                session_id=name,
                generation=generation,
                start_samples=start,
                options=options,
                alone_until_samples=alone_until_samples,
            )
        )

    def audio(self, start: int, pcm: bytes, name: str = "s", generation: int = 1) -> None:
        self.loop.take(wire.Audio(session_id=name, generation=generation, start_samples=start), pcm)

    def finalize(self, marker: int = 1, name: str = "s") -> None:
        self.loop.take(wire.Finalize(session_id=name, generation=1, marker=marker))

    def idle(self) -> None:
        while self.loop.turn():
            pass

    def live(self, pcm: bytes, *, name: str = "s", start: int = 0, block_samples: int = 1600) -> None:
        """In real time, the clock going with the sound."""
        for at in range(0, len(pcm) // 2, block_samples):
            piece = pcm[2 * at : 2 * (at + block_samples)]
            self.now_s += len(piece) / 2 / 16_000
            self.audio(start + at, piece, name)
            self.idle()

    def race(self, pcm: bytes, *names: str, block_samples: int = 1600) -> None:
        """The same sound to all in real time, which does not wait for an engine that takes longer."""
        at = 0
        while at < len(pcm) // 2:
            if at / 16_000 > self.now_s:
                self.now_s = at / 16_000
            while at < len(pcm) // 2 and at / 16_000 <= self.now_s:
                for name in names:
                    self.audio(at, pcm[2 * at : 2 * (at + block_samples)], name)
                at += block_samples
            self.loop.turn()

    def of(self, kind: type[BaseModel], name: str = "s") -> list[Any]:
        return [m for m in self.said if isinstance(m, kind) and getattr(m, "session_id", name) == name]

    def finals(self, name: str = "s") -> list[Any]:
        return [heard for heard in self.of(wire.Heard, name) if heard.final]

    def interim_ms(self) -> int:
        self.loop.take(wire.Ping(number=1))
        pong = self.said[-1]
        assert isinstance(pong, wire.Pong)
        return pong.interim_ms

    def words(self, name: str = "s") -> list[Word]:
        return [word for heard in self.finals(name) for word in heard.words]


TALK = [*sentence("good morning river stone", 0.5), *sentence("silver ocean", 3.5)]


def test_speech_is_told_live_then_final() -> None:
    bench = Bench()
    bench.open()
    bench.live(scripted_sound(TALK))
    assert bench.words() == scripted_words(TALK)
    first, second = bench.finals()
    assert first.end_samples <= second.start_samples
    interims = [heard for heard in bench.of(wire.Heard) if not heard.final]
    assert len(interims) >= 4
    assert all(heard.words for heard in interims)
    assert bench.engine.streams == 0


def test_silence_costs_no_engine_call_and_settles() -> None:
    bench = Bench()
    bench.open(start=16_000)
    bench.live(bytes(2 * 160_000), start=16_000)
    assert bench.engine.finals == bench.engine.interims == 0
    settled = bench.of(wire.Settled)
    assert not bench.of(wire.Heard)
    throughs = [16_000, *[each.through_samples for each in settled]]
    assert max(b - a for a, b in pairwise(throughs)) <= 4800
    assert settled[-1].samples >= 176_000 - 6400 - 512 - 3200


def test_a_final_is_settled_at_once_and_settled_never_goes_back() -> None:
    bench = Bench()
    bench.open()
    bench.live(scripted_sound(TALK))
    for i, message in enumerate(bench.said):
        if isinstance(message, wire.Heard) and message.final:
            follower = bench.said[i + 1]
            assert isinstance(follower, wire.Settled)
            assert follower.samples >= message.end_samples
    positions = [each.samples for each in bench.of(wire.Settled)]
    assert positions == sorted(positions)


def test_finalize_forces_the_open_utterance_and_the_session_goes_on() -> None:
    bench = Bench()
    bench.open()
    words = sentence("good morning river stone")
    pcm = scripted_sound(words)
    cut = scripted_words(words)[1].end_samples + 320
    bench.audio(0, pcm[: 2 * cut])
    bench.finalize(7)
    bench.audio(cut, pcm[2 * cut :])
    bench.finalize(8)
    bench.idle()
    kinds = [m for m in bench.said if isinstance(m, wire.Marker) or (isinstance(m, wire.Heard) and m.final)]
    assert [getattr(m, "marker", None) for m in kinds] == [None, 7, None, 8]
    assert bench.words() == scripted_words(words)
    assert bench.of(wire.Settled)[-1].samples == len(pcm) // 2


def test_a_marker_comes_back_in_silence_too() -> None:
    bench = Bench()
    bench.open()
    bench.finalize(1)
    bench.audio(0, bytes(2 * 100))
    bench.finalize(2)
    bench.idle()
    assert [m.marker for m in bench.of(wire.Marker)] == [1, 2]


@settings(max_examples=25)
@given(st.data(), st.sampled_from([LIVE, FILE, SessionOptions(interim=False)]))
def test_finals_do_not_depend_on_how_the_sound_was_cut(data: st.DataObject, options: SessionOptions) -> None:
    pcm = scripted_sound([*sentence("good morning river stone " * 5, 0.5), *sentence("silver ocean", 9.0)])
    bench = Bench(settings=WorkerSettings(utterance_max_s=5.0))
    bench.open(options=options, start=333)
    at = 0
    while at < len(pcm) // 2:
        count = data.draw(st.sampled_from([1, 160, 511, 512, 1600, 16_000, 40_000]))
        bench.audio(333 + at, pcm[2 * at : 2 * (at + count)])
        bench.now_s += count / 16_000
        at += count
        if data.draw(st.booleans()):
            bench.idle()
        if count == 1:
            bench.audio(333 + at, pcm[2 * at : 2 * (at + 3000)])
            at += 3000
    bench.finalize()
    bench.idle()
    reference = Bench(settings=WorkerSettings(utterance_max_s=5.0))
    reference.open(options=FILE, start=333)
    reference.audio(333, pcm)
    reference.finalize()
    reference.idle()
    assert bench.finals() == reference.finals()
    assert bench.engine.streams == 0


def test_the_final_is_guessed_in_the_pause_and_told_at_its_end() -> None:
    bench = Bench()
    bench.open()
    words = sentence("good morning river")
    end = scripted_words(words)[-1].end_samples
    pcm = scripted_sound(words, length_s=3.0)
    heard = 2 * (end + 12 * 512)
    bench.live(pcm[:heard])
    assert (bench.engine.finals, bench.finals()) == (1, [])
    bench.live(pcm[heard:], start=heard // 2)
    assert bench.engine.finals == 1
    assert bench.words() == scripted_words(words)
    assert bench.engine.streams == 0


def test_the_final_of_a_long_utterance_is_not_guessed() -> None:
    bench = Bench()
    bench.open()
    bench.live(scripted_sound(sentence("good morning river stone " * 7, 0.5), length_s=14.0))
    bench.finalize()
    bench.idle()
    assert {ran.kind for ran in bench.of(wire.Ran)} == {"interim", "final"}


def test_a_wrong_guess_is_never_told() -> None:
    bench = Bench()
    bench.open()
    words = [("good", 0.5), ("morning", 1.16)]  # 420 ms of pause: worth a guess, and too short for an end
    bench.live(scripted_sound(words))
    assert bench.engine.finals == 2
    assert bench.words() == scripted_words(words)
    assert len(bench.finals()) == 1


class GermanEngine(CountingEngine):
    """Hears German, and notes what language each stream was opened with."""

    def open(self, options: SessionOptions) -> Any:
        self.likely = [*getattr(self, "likely", []), options.heard_language]
        return super().open(options)

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        return [hypothesis.model_copy(update={"language": "de"}) for hypothesis in super().step(steps)]


def test_an_utterance_is_opened_with_the_language_of_those_before() -> None:
    bench = Bench(engine_of=lambda bench: GermanEngine(bench, 0.0))
    bench.open(options=SessionOptions(interim=False))
    bench.live(scripted_sound(TALK))
    assert isinstance(bench.engine, GermanEngine)
    assert bench.engine.likely[0] is None
    assert bench.engine.likely[-1] == "de"


def test_files_make_no_interims() -> None:
    bench = Bench()
    bench.open(options=FILE)
    bench.live(scripted_sound(TALK))
    assert bench.engine.interims == 0
    assert bench.words() == scripted_words(TALK)


def test_a_live_final_goes_before_a_file() -> None:
    bench = Bench()
    pcm = scripted_sound(TALK)
    bench.open("file", FILE)
    bench.open("live")
    bench.audio(0, pcm, "file")
    bench.audio(0, pcm, "live")
    bench.idle()
    order = [heard.session_id for heard in bench.said if isinstance(heard, wire.Heard) and heard.final]
    assert order[0] == "live"
    assert sorted(order) == ["file", "file", "live", "live"]


def test_a_slow_machine_drops_interims_and_keeps_finals() -> None:
    quick, slow = Bench(), Bench(cost_s=0.7)
    pcm = scripted_sound(sentence("good morning river stone bridge garden winter summer", 0.5))
    for bench in (quick, slow):
        for name in "abc":
            bench.open(name)
        bench.race(pcm, *"abc")
        bench.idle()
    assert slow.engine.interims < quick.engine.interims / 2
    assert [slow.words(name) for name in "abc"] == [quick.words(name) for name in "abc"]


def test_a_session_of_another_generation_is_not_heard() -> None:
    bench = Bench()
    bench.open(generation=2)
    bench.audio(0, scripted_sound(TALK), generation=1)
    bench.idle()
    assert not bench.said
    bench.open(generation=3)
    bench.audio(0, scripted_sound(TALK), generation=3)
    bench.loop.turn()
    bench.loop.take(wire.Close(session_id="s", generation=3))
    said = len(bench.said)
    bench.idle()
    assert len(bench.said) == said
    assert bench.engine.streams == 0


def test_sound_twice_is_trimmed_and_a_hole_is_refused() -> None:
    bench = Bench()
    bench.open()
    pcm = scripted_sound(TALK)
    bench.audio(0, pcm[:32_000])
    bench.audio(8000, pcm[16_000:])
    bench.idle()
    assert bench.words() == scripted_words(TALK)
    with pytest.raises(wire.FrameError):
        bench.audio(len(pcm), pcm)


def test_a_ping_is_answered_with_figures() -> None:
    bench = Bench()
    bench.open()
    bench.audio(0, np.zeros(1600, np.int16).tobytes())
    bench.loop.take(wire.Ping(number=5))
    [pong] = [m for m in bench.said if isinstance(m, wire.Pong)]
    assert (pong.number, pong.sessions, pong.backlog_samples) == (5, 1, 1600)
    bench.loop.take(wire.Shutdown())
    assert bench.loop.stopped


def test_when_everybody_has_left_interims_are_no_longer_stretched() -> None:
    bench = Bench(cost_s=0.3)
    for name in "abc":
        bench.open(name)
    bench.race(scripted_sound(sentence("good morning river stone " * 4, 0.5)), *"abc")
    for name in "abc":
        bench.finalize(name=name)
    bench.idle()
    assert bench.interim_ms() > 300
    bench.now_s += 120
    assert bench.interim_ms() == 300


def test_interims_are_no_longer_stretched_when_only_files_wait() -> None:
    bench = Bench()
    bench.loop._cadence.ran(1.0, bench.now_s)
    bench.open("f", FILE)
    bench.audio(0, scripted_sound(TALK), "f")
    for _ in range(4):  # the sound comes in pieces of 2 s
        bench.loop._listen()
    assert [wish.kind for wish in bench.loop._wishes.values()] == ["file"]
    bench.now_s += 120
    assert bench.interim_ms() == 300


def test_late_finals_alone_stretch_the_interims() -> None:
    bench = Bench(cost_s=0.3)
    for name in "abcdefghijkl":
        bench.open(name, SessionOptions(interim=False))
    bench.race(scripted_sound(TALK), *"abcdefghijkl")
    assert bench.interim_ms() > 300


class BriefEngine(CountingEngine):
    """Wants no utterance longer than three seconds."""

    @property
    def info(self) -> EngineInfo:
        return replace(super().info, utterance_max_s=3.0)


def test_an_utterance_is_no_longer_than_its_engine_bears() -> None:
    bench = Bench(engine_of=lambda bench: BriefEngine(bench, 0.0))
    bench.open()
    words = sentence("good morning river stone " * 6, 0.5)
    bench.live(scripted_sound(words, length_s=12.0))
    bench.finalize()
    bench.idle()
    assert len(bench.finals()) >= 3
    assert all(heard.end_samples - heard.start_samples <= 3 * 16_000 for heard in bench.finals())
