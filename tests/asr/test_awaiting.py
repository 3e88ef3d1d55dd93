"""The loop with an engine on another machine: nobody waits for what it owes but who is owed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asr import wire
from asr.contract import RemoteEngine, Step
from protocol.errors import EngineFailed
from protocol.words import Hypothesis
from tests.asr.test_loop import TALK, Bench, CountingEngine
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence

FIRST = sentence("good morning river")
SECOND = sentence("silver ocean", 3.0)


class LateEngine(CountingEngine):
    """Hears as the scripted one does, and keeps what it heard back until it is let go."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench, 0.0)
        self.away = ""
        self.held = True
        self.ids: dict[int, Hypothesis] = {}
        self.so_far: dict[int, Hypothesis] = {}
        self.failure: EngineFailed | None = None

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        for step, heard in zip(steps, super().step(steps), strict=True):
            into = self.ids if step.flush else self.so_far
            into[id(step.stream)] = heard
        return [Hypothesis()] * len(steps)

    def news(self, stream: Any) -> Hypothesis | None:
        heard = None if self.held else self.so_far.pop(id(stream), None)
        return Hypothesis(tentative=heard.words) if heard else None

    def final(self, stream: Any) -> Hypothesis | EngineFailed | None:
        return None if self.held else self.failure or self.ids.get(id(stream))

    def shut_down(self) -> None:
        pass


def late_bench() -> tuple[Bench, LateEngine]:
    bench = Bench(engine_of=LateEngine)
    assert isinstance(bench.engine, LateEngine)
    assert isinstance(bench.engine, RemoteEngine)
    return bench, bench.engine


def test_words_come_when_they_come_and_in_order() -> None:
    bench, engine = late_bench()
    bench.open()
    bench.live(scripted_sound(TALK))
    assert not bench.finals()
    assert engine.finals == 1, "the second utterance waits behind the first"
    engine.held = False
    bench.idle()
    assert bench.words() == scripted_words(TALK)
    assert engine.streams == 0


def test_a_session_that_waits_keeps_nobody_else_waiting() -> None:
    bench, engine = late_bench()
    bench.open()
    bench.live(scripted_sound(FIRST))
    waiting = bench.loop.next_due_s()
    assert waiting is not None
    assert waiting > bench.now_s, "it sleeps between two looks"
    engine.held = False
    owed, engine.ids = engine.ids, {}
    bench.open("t")
    bench.audio(0, scripted_sound(FIRST), "t")
    bench.idle()
    assert bench.words("t") == scripted_words(FIRST)
    assert not bench.finals("s")
    engine.ids = owed
    bench.idle()
    assert bench.words("s") == scripted_words(FIRST)


def test_interims_are_told_when_they_come_without_new_sound() -> None:
    bench, engine = late_bench()
    bench.open()
    bench.live(scripted_sound(FIRST)[: 2 * 16_000])
    assert not [heard for heard in bench.of(wire.Heard) if heard.words]
    engine.held = False
    bench.idle()
    [told] = [heard for heard in bench.of(wire.Heard) if heard.words]
    assert not told.final
    assert told.words[0].text == "good"


def test_nothing_is_tried_ahead_at_another_machine() -> None:
    bench, engine = late_bench()
    engine.held = False
    bench.open()
    bench.live(scripted_sound(TALK))
    assert bench.words() == scripted_words(TALK)
    assert engine.finals == 2


def test_an_utterance_that_fails_there_is_given_up_and_the_next_is_heard() -> None:
    bench, engine = late_bench()
    engine.held, engine.failure = False, EngineFailed("it was not heard")
    bench.open()
    bench.live(scripted_sound([*FIRST, *SECOND])[: 2 * 16_000 * 2 + 32_000])
    [lost] = bench.of(wire.GaveUp)
    assert lost.message == "it was not heard"
    engine.failure = None
    at = len(scripted_sound([*FIRST, *SECOND])[: 2 * 16_000 * 2 + 32_000]) // 2
    bench.live(scripted_sound([*FIRST, *SECOND])[2 * at :], start=at)
    assert bench.words() == scripted_words(SECOND)


def test_a_session_that_is_closed_is_owed_nothing() -> None:
    bench, engine = late_bench()
    bench.open()
    bench.live(scripted_sound(FIRST))
    bench.loop.take(wire.Close(session_id="s", generation=1))
    engine.held = False
    bench.idle()
    assert not bench.finals()
    assert engine.streams == 0
    assert bench.loop.next_due_s() is None


def test_that_it_is_away_is_told_with_each_sign_of_life() -> None:
    bench, engine = late_bench()
    engine.away = "nobody answers"
    bench.loop.take(wire.Ping(number=1))
    [pong] = bench.of(wire.Pong)
    assert pong.away == "nobody answers"
