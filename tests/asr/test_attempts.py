"""An engine that fails: on one sound, now and then, or on everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from asr import wire
from asr.contract import Step
from asr.engines.scripted import hear
from protocol.errors import EngineFailed
from protocol.words import Hypothesis
from tests.asr.test_loop import TALK, Bench, CountingEngine
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence


class FailingEngine(CountingEngine):
    """Raises at a step for which ``fails`` holds, given the words in its sound; ``batch_max`` of them at once."""

    def __init__(self, bench: Bench, fails: Callable[[set[str]], bool], batch_max: int) -> None:
        super().__init__(bench, 0.0)
        self.fails = fails
        self.batch_max = batch_max

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        hypotheses = super().step(steps)  # what the streams took in stays there
        if self.fails({word.text for step in steps for word in hear(step.samples, step.start_samples)}):
            raise RuntimeError("alpha is not for the logs")
        return hypotheses


def bench_of(fails: Callable[[set[str]], bool], *, batch_max: int = 1) -> Bench:
    return Bench(engine_of=lambda bench: FailingEngine(bench, fails, batch_max))


def test_an_utterance_that_fails_twice_is_told_without_words_and_the_others_with_theirs() -> None:
    bench = bench_of(lambda words: "morning" in words, batch_max=4)
    for name in ("poisoned", "other"):
        bench.open(name)
    other = sentence("zulu one two", 0.5)
    bench.audio(0, scripted_sound(other), "other")
    bench.audio(0, scripted_sound(TALK), "poisoned")
    for name in ("poisoned", "other"):
        bench.finalize(1, name)
    bench.idle()
    assert bench.words("other") == scripted_words(other)
    assert [[word.text for word in heard.words] for heard in bench.finals("poisoned")] == [[], ["silver", "ocean"]]
    [given_up] = bench.of(wire.GaveUp, "poisoned")
    assert given_up.start_samples <= scripted_words(TALK)[0].start_samples
    assert given_up.end_samples >= scripted_words(TALK)[3].end_samples
    assert given_up.message == "the recogniser failed: RuntimeError"
    assert not bench.of(wire.GaveUp, "other")
    assert bench.of(wire.Settled, "poisoned")[-1].samples == len(scripted_sound(TALK)) // 2
    assert bench.engine.streams == 0


def test_live_speech_goes_on_after_an_utterance_that_fails() -> None:
    bench = bench_of(lambda words: "morning" in words)
    bench.open()
    bench.live(scripted_sound(TALK))
    assert [word.text for word in bench.words()] == ["silver", "ocean"]
    assert len(bench.of(wire.GaveUp)) == 1
    assert bench.engine.streams == 0


def test_a_failure_that_does_not_come_again_costs_no_word() -> None:
    failures = iter([False, True] * 100)
    bench = bench_of(lambda words: bool(words) and next(failures))
    bench.open()
    bench.live(scripted_sound(TALK))
    assert bench.words() == scripted_words(TALK)
    assert not bench.of(wire.GaveUp)
    assert bench.engine.streams == 0


def test_an_engine_that_cannot_hear_silence_is_broken() -> None:
    bench = bench_of(lambda words: True)
    bench.open()
    with pytest.raises(EngineFailed):
        bench.live(scripted_sound(TALK))
    assert not bench.finals()
    assert not bench.of(wire.GaveUp)


def test_an_engine_that_fails_for_session_after_session_is_broken() -> None:
    bench = bench_of(bool)
    for name in "abc":
        bench.open(name)
        bench.audio(0, scripted_sound(sentence("good morning")), name)
        bench.finalize(1, name)
    with pytest.raises(EngineFailed):
        bench.idle()
    assert len([message for message in bench.said if isinstance(message, wire.GaveUp)]) == 2


def test_every_step_says_first_whose_sound_is_in_it() -> None:
    bench = Bench()
    bench.open("a", generation=5)
    pcm = scripted_sound(TALK)
    bench.audio(0, pcm, "a", generation=5)
    bench.idle()
    working = [message for message in bench.said if isinstance(message, wire.Working) and message.sessions]
    assert len(bench.of(wire.Ran)) == bench.engine.finals + bench.engine.interims
    assert len(working) > len(bench.of(wire.Ran))  # those of voice activity too
    for message in working:
        [(session_id, generation, end_samples)] = message.sessions
        assert (session_id, generation) == ("a", 5)
        assert 0 < end_samples <= len(pcm) // 2


def test_who_is_to_be_heard_alone_shares_no_step_until_that_sound_is_told_settled() -> None:
    bench = Bench()
    alone_until_samples = 3 * 16_000
    bench.open("a", alone_until_samples=alone_until_samples)
    bench.open("b")
    bench.race(scripted_sound(TALK), "a", "b")
    companies: list[list[set[str]]] = [[], []]  # before, after
    settled_samples = 0
    for message in bench.said:
        if isinstance(message, wire.Settled) and message.session_id == "a":
            settled_samples = message.samples
        elif isinstance(message, wire.Working) and message.sessions:
            companies[settled_samples >= alone_until_samples].append({name for name, *_ in message.sessions})
    before, after = companies
    assert {"a"} in before
    assert {"a", "b"} not in before
    assert {"a", "b"} in after
