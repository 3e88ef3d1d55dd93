"""Voice activity that fails: in one session, or altogether."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from asr import wire
from asr.contract import Samples
from asr.vad import EnergyVoiceActivity
from protocol.errors import EngineFailed
from tests.asr.test_loop import TALK, Bench
from tests.fakes.scripted_sound import scripted_sound, scripted_words

POISON = 12_345


class FailingVoiceActivity(EnergyVoiceActivity):
    """Raises while the poison is in the batch; with ``broken`` always. Notes what it was told of first."""

    def __init__(self, bench: Bench, *, broken: bool = False, times: int = 1000) -> None:
        self.bench = bench
        self.broken = broken
        self.times = times

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        assert self.bench.said
        poisoned = self.broken or any(np.any(samples == POISON) for _, samples in batch)
        if poisoned and self.times:
            self.times -= 1
            raise RuntimeError("not for the logs")
        return super().listen(batch)


def bench_of(*, broken: bool = False, times: int = 1000) -> Bench:
    bench = Bench()
    bench.loop._hearing._voice = FailingVoiceActivity(bench, broken=broken, times=times)
    return bench


def poison(frames: int = 5) -> bytes:
    return np.full(512 * frames, POISON, np.int16).tobytes()


def test_frames_that_fail_alone_are_given_up_as_silence_and_the_others_are_heard() -> None:
    bench = bench_of()
    pcm = scripted_sound(TALK)
    for name in ("bad", "good"):
        bench.open(name)
    bench.audio(0, poison(), "bad")
    bench.audio(0, pcm, "good")
    bench.idle()
    bench.audio(2560, pcm, "bad")
    bench.idle()
    assert bench.words("good") == scripted_words(TALK)
    assert [word.text for word in bench.words("bad")] == [word.text for word in scripted_words(TALK)]
    [given_up] = bench.of(wire.GaveUp, "bad")
    assert (given_up.session_id, given_up.start_samples, given_up.end_samples) == ("bad", 0, 2560)
    assert given_up.message == "voice activity failed: RuntimeError"


def test_a_failure_that_does_not_come_again_costs_nothing() -> None:
    bench = bench_of(times=1)
    bench.open()
    bench.audio(0, poison())
    bench.idle()
    assert not bench.of(wire.GaveUp)


def test_voice_activity_that_fails_in_silence_too_is_broken() -> None:
    bench = bench_of(broken=True)
    bench.open()
    bench.audio(0, poison())
    with pytest.raises(EngineFailed):
        bench.idle()


def test_suspects_have_calls_of_their_own_until_that_sound_is_told_settled() -> None:
    bench = bench_of()
    for name, until_samples in (("a", 0), ("b", 16_000), ("c", 0), ("d", 32_000)):
        bench.open(name, alone_until_samples=until_samples)
    for second in range(3):
        for name in "abcd":
            bench.audio(16_000 * second, bytes(32_000), name)
        bench.idle()
    calls = ["".join(name for name, *_ in working.sessions) for working in bench.of(wire.Working)]
    assert [call for call in calls if call] == ["ac", "b", "d", "ac", "b", "d", "abc", "d"]


def test_whose_sound_it_is_is_said_before_and_that_it_is_over_after() -> None:
    bench = bench_of()
    bench.open("a", generation=3)
    bench.open("b", generation=4)
    bench.audio(0, bytes(2 * 1100), "a", generation=3)
    bench.audio(0, bytes(2 * 600), "b", generation=4)
    bench.loop.turn()
    before, after = bench.of(wire.Working)
    assert before.sessions == (("a", 3, 1024), ("b", 4, 512))
    assert after.sessions == ()
