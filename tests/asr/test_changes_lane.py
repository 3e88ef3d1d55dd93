"""Changes of voices beside words and voices, in virtual time: what they add, and that nothing waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from asr import wire
from asr.changes_lane import SHARE_MAX
from asr.contract import Samples
from asr.engines.scripted_voices import HUMS_HZ, ScriptedSegmentation
from asr.loop import InferenceLoop
from asr.speakers.segmentation import Scores, Segmentation, Span
from asr.track_voices import TrackVoices
from asr.vad import EnergyVoiceActivity
from asr.voice_prints import prints_of
from tests.asr.voices_bench import (
    FIRST,
    LIVE,
    OF_FILE,
    SECOND,
    TALK,
    VoicesBench,
    as_expected,
    said_by,
    voices_of,
)
from tests.fakes.scripted_sound import AMPLITUDE

S = 16_000


class TimedSegmentation(ScriptedSegmentation):
    """Notes when it was asked, and whether words were due; ``look_s`` of the clock passes each time."""

    def __init__(self, bench: VoicesBench, look_s: float) -> None:
        super().__init__()
        self.bench, self.look_s = bench, look_s
        self.looks: list[tuple[float, int]] = []
        self.while_due = 0

    def hear(self, sound: Samples) -> Scores:
        self.looks.append((self.bench.now_s, len(sound)))
        wishes = self.bench.loop._wishes.values()
        self.while_due += any(wish.kind == "final" for wish in wishes)
        self.while_due += any(wish.kind == "interim" and wish.due_s <= self.bench.now_s for wish in wishes)
        self.bench.now_s += self.look_s
        return super().hear(sound)


class FailingSegmentation(TimedSegmentation):
    def hear(self, sound: Samples) -> Scores:
        super().hear(sound)
        raise ZeroDivisionError


def bench_with(
    look_s: float = 0.0,
    *,
    kind: Callable[[VoicesBench, float], TimedSegmentation] = TimedSegmentation,
    cost_s: float = 0.0,
    window_s: float = 0.0,
    in_thread: bool = False,
) -> tuple[VoicesBench, TimedSegmentation]:
    bench = VoicesBench(cost_s=cost_s, window_s=window_s, in_thread=in_thread)
    network = kind(bench, look_s)
    bench.loading = bench.loading.with_segmentation(lambda: network)
    bench.loop = InferenceLoop(
        bench.engine, EnergyVoiceActivity(), bench.settings, bench.said.append, lambda: bench.now_s, bench.loading
    )
    return bench, network


def both_from(pcm: bytes, start_s: float, end_s: float) -> bytes:
    """The voices 0 and 1 hum there, whatever else is heard."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    at = np.arange(round(start_s * S), round(end_s * S))
    for voice in (0, 1):
        sound[at] += 0.25 * AMPLITUDE * np.sin(2 * np.pi * HUMS_HZ[voice] * at / S)
    return np.clip(sound, -32768, 32767).astype("<i2").tobytes()


def mixed(bench: VoicesBench, name: str = "s") -> list[float]:
    """How much of a second voice is in each print that was told."""
    rows = np.concatenate([prints_of(each.embeddings, each.dim) for each in bench.prints(name)])
    return [float(value) for value in np.sort(rows[:, : len(HUMS_HZ)], axis=1)[:, -2]]


def test_no_print_of_a_final_holds_two_voices_and_no_step_is_lost() -> None:
    plain = VoicesBench()
    bench, _ = bench_with()
    for each in (plain, bench):
        each.open(options=LIVE)
        each.live(said_by(*TALK))
    assert max(mixed(plain)) > 0.35
    assert max(mixed(bench)) < 0.25  # the change is found to some hundredths of a second
    assert bench.whose() == as_expected(*TALK)
    [before], [after] = plain.prints(), bench.prints()
    assert (before.steps[0][0], before.steps[-1][1]) == (after.steps[0][0], after.steps[-1][1])
    assert [step[0] for step in after.steps[1:]] == [step[1] for step in after.steps[:-1]]
    assert len(after.embeddings) == after.dim * len(after.steps)
    pong = bench.pong()
    assert pong.segmentations >= 1
    assert pong.segmentations_left_out == 0
    assert plain.pong().segmentations == plain.pong().segmentations_left_out == 0


def test_where_two_speak_at_once_is_told_with_the_final() -> None:
    bench, _ = bench_with()
    bench.open(options=LIVE)
    bench.live(both_from(said_by((0, FIRST)), 1.0, 1.8))
    [final] = bench.finals()
    [(start, end)] = final.overlaps
    assert start / S == pytest.approx(1.0, abs=0.15)
    assert end / S == pytest.approx(1.8, abs=0.15)
    assert all(not heard.overlaps for heard in bench.of(wire.Heard) if not heard.final)


def test_nothing_is_looked_for_while_a_word_is_due_and_words_are_the_same() -> None:
    plain = VoicesBench(cost_s=0.02, window_s=0.005)
    bench, network = bench_with(0.04, cost_s=0.02, window_s=0.005)
    sound = said_by(*TALK, *TALK) + said_by(*TALK)
    for each in (plain, bench):
        each.open(options=LIVE)
        each.live(sound)
        each.finalize()
        each.idle()
    assert network.looks
    assert network.while_due == 0
    assert bench.words() == plain.words()


def test_live_it_takes_no_more_than_its_share_and_what_is_left_out_is_counted() -> None:
    bench, network = bench_with(0.2)
    for name in "abcdef":
        bench.open(name, LIVE)
    sound = said_by((0, FIRST)) + said_by((1, SECOND)) + said_by(*TALK)
    for at in range(0, len(sound) // 2, 1600):
        bench.now_s += 0.1
        for name in "abcdef":
            bench.audio(at, sound[2 * at : 2 * (at + 1600)], name)
        bench.idle()
    begun = [at_s for at_s, _ in network.looks]
    assert len(begun) > 2
    assert all(b - a >= 0.2 / SHARE_MAX - 1e-6 for a, b in pairwise(begun))
    assert bench.pong().segmentations == len(begun)
    assert bench.pong().segmentations_left_out > 6
    for name in "abcdef":
        assert [text for text, _ in bench.whose(name)] == [*FIRST.split(), *SECOND.split()] * 2


def test_where_no_pause_was_seen_a_final_waits_for_one_look_within_the_same_share() -> None:
    for talks, looks in ((1, 1), (4, 1)):
        bench, network = bench_with(0.04)
        bench.open(options=LIVE)
        bench.audio(0, said_by(*TALK) * talks)
        bench.finalize()
        bench.idle()
        assert len(bench.finals()) == talks
        assert len(network.looks) == looks
        assert bench.pong().segmentations_left_out == talks - looks
        assert bench.whose() == as_expected(*TALK) * talks
    assert bench.now_s == pytest.approx(0.04)


def test_a_file_waits_for_it_and_leaves_nothing_out() -> None:
    bench, network = bench_with(0.2)
    bench.open("file", OF_FILE)
    bench.audio(0, said_by(*TALK, *TALK) * 3, "file")
    bench.finalize(1, "file")
    bench.idle()
    assert bench.pong().segmentations_left_out == 0
    assert len(network.looks) >= 3
    assert max(mixed(bench, "file")) < 0.25
    assert bench.whose("file") == as_expected(*TALK, *TALK) * 3


def test_what_fails_costs_changes_alone() -> None:
    bench, network = bench_with(kind=FailingSegmentation)
    for name in "ab":
        bench.open(name, LIVE)
        bench.live(said_by(*TALK), name=name)
        assert bench.whose(name) == as_expected(*TALK)
    assert len(network.looks) == 1
    assert bench.pong().voice_failures == 0
    assert bench.pong().no_encoder == ""
    assert "ZeroDivisionError" in bench.pong().no_segmentation


def test_what_was_found_and_cannot_be_used_costs_its_session_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    changes, of_first = TrackVoices.changes, list[TrackVoices]()

    def fails(voices: TrackVoices, begun_samples: int, span: Span, found: Segmentation) -> None:
        of_first[:] = of_first or [voices]
        if voices is of_first[0]:
            raise ZeroDivisionError
        changes(voices, begun_samples, span, found)

    monkeypatch.setattr(TrackVoices, "changes", fails)
    bench, network = bench_with()
    for name in "ab":
        bench.open(name, LIVE)
        bench.live(said_by(*TALK), name=name)
        assert bench.whose(name) == as_expected(*TALK)
    assert len(network.looks) > 1
    assert bench.pong().no_segmentation == ""
    assert max(mixed(bench, "a")) > 0.35
    assert max(mixed(bench, "b")) < 0.25


def test_each_look_says_whose_it_is_and_that_it_is_over() -> None:
    for kind in (TimedSegmentation, FailingSegmentation):
        bench, network = bench_with(kind=kind)
        bench.open(options=LIVE)
        bench.live(said_by(*TALK))
        looks = [i for i, each in enumerate(bench.said) if isinstance(each, wire.Beside) and each.changes]
        assert len(looks) == len(network.looks)
        for i in looks:
            assert bench.said[i] == wire.Beside(voices=(("s", 1),), changes=True)
            assert bench.said[i + 1] == wire.Beside(voices=())


class HeldSegmentation(TimedSegmentation):
    is_let_go = threading.Event()

    def hear(self, sound: Samples) -> Scores:
        assert self.is_let_go.wait(30)
        return super().hear(sound)


def test_a_session_that_goes_away_while_it_is_looked_at_is_not_looked_at_again() -> None:
    HeldSegmentation.is_let_go.clear()
    bench, network = bench_with(kind=HeldSegmentation, in_thread=True)
    bench.open(options=LIVE)
    bench.loading.wait(30)
    lane = bench.loop._voices
    sound = said_by(*TALK, *TALK, *TALK, *TALK, *TALK)
    for at in range(0, 19 * S, 1600):  # of an utterance of which a second chunk is due while the first is looked at
        bench.now_s += 0.1
        bench.audio(at, sound[2 * at : 2 * (at + 1600)])
        bench.idle()
        if lane._aside.busy and not bench.of(wire.Beside)[-1].changes:
            lane._aside.wait()
    assert bench.of(wire.Beside)[-1].changes
    [one] = lane._sessions.values()
    assert one.voices is not None
    bench.loop.take(wire.Close(session_id="s", generation=1))
    HeldSegmentation.is_let_go.set()
    lane._aside.wait()
    assert len(network.looks) == 1
    assert one.voices.chunk_due(one.session) is not None
    assert lane.next_due_s() is None


def test_a_session_that_goes_away_while_it_is_due_is_no_trouble() -> None:
    bench, _ = bench_with(0.5)
    for name in "ab":
        bench.open(name, LIVE)
    sound = said_by(*TALK)
    for at in range(0, len(sound) // 2 - 8 * S // 10, 1600):
        for name in "ab":
            bench.audio(at, sound[2 * at : 2 * (at + 1600)], name)
    bench.idle()
    bench.loop.take(wire.Close(session_id="b", generation=1))
    bench.finalize(1, "a")
    bench.idle()
    assert [voice for final in bench.finals("a") for voice in voices_of(final)]
