"""What the loop tells of itself: each step, and its figures in every pong."""

from __future__ import annotations

from collections.abc import Sequence

from asr import wire
from asr.contract import Step
from protocol.words import Hypothesis, Word
from tests.asr.test_loop import FILE, TALK, Bench, CountingEngine
from tests.fakes.scripted_sound import scripted_sound, sentence

TALKING = scripted_sound(sentence("good morning river stone bridge garden winter summer", 0.5))


def pong(bench: Bench) -> wire.Pong:
    bench.loop.take(wire.Ping(number=1))
    answer = bench.said.pop()
    assert isinstance(answer, wire.Pong)
    return answer


class InventingEngine(CountingEngine):
    """Adds a word long after the sound, and counts a guard of its own."""

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        self.guard_hits = {"loop": 3}
        invented = Word(text="thanks", start_samples=10**7, end_samples=10**7 + 1)
        return [Hypothesis(committed=(*hypothesis.words, invented)) for hypothesis in super().step(steps)]


def test_every_step_is_told_with_what_it_took() -> None:
    bench = Bench(cost_s=0.01)
    bench.open()
    bench.live(scripted_sound(TALK))
    ran = bench.of(wire.Ran)
    kinds = [each.kind for each in ran]
    assert kinds.count("interim") == bench.engine.interims
    assert kinds.count("guess") + kinds.count("final") == bench.engine.finals
    assert "file" not in kinds
    for each in ran:
        assert (each.size, each.batch_max) == (1, bench.engine.batch_max)
        assert each.run_ms == 10.0
        assert 0.0 <= each.wait_ms <= 110.0  # a block is 100 ms
        assert each.sound_samples > 0
        assert each.listen_ms == 0.0
    through = bench.of(wire.Settled)[-1].through_samples
    assert through - 32_000 < 512 * sum(each.listened_frames for each in ran) <= through


def test_a_batch_is_told_once_with_the_longest_wait() -> None:
    bench = Bench(cost_s=0.1)
    for name in "abc":
        bench.open(name, FILE)
        bench.audio(0, scripted_sound(sentence("good morning")), name)
    bench.now_s = 5.0
    bench.loop.turn()
    [first] = bench.of(wire.Ran)
    assert (first.kind, first.size, first.run_ms, first.wait_ms) == ("file", 3, 300.0, 0.0)


def test_what_is_wanted_and_not_begun_is_told() -> None:
    bench = Bench()
    bench.engine.batch_max = 1
    for name in "abc":
        bench.open(name, FILE)
        bench.audio(0, scripted_sound(sentence("good morning")), name)
    bench.loop.turn()
    assert pong(bench).waiting == 2


def test_the_share_of_time_spent_counts_no_guesses() -> None:
    bench = Bench(cost_s=0.05)
    bench.open()
    bench.live(TALKING[: 2 * 48_000])
    assert 0.05 < pong(bench).busy < 0.4
    guessing = Bench(cost_s=0.5)
    guessing.open()
    guessing.loop._cadence._steps = (60.0,)  # no interims
    guessing.live(scripted_sound([("good", 0.2)], length_s=0.9))
    assert [each.kind for each in guessing.of(wire.Ran)] == ["guess"]
    assert pong(guessing).busy == 0.0


def test_when_behind_interims_stretch_and_those_left_out_are_counted_and_it_comes_back() -> None:
    bench = Bench(cost_s=0.4)
    for name in "abcd":
        bench.open(name)
    long = scripted_sound(sentence(" ".join(["good morning river stone"] * 7), 0.5), length_s=10.4)
    bench.race(long, *"abcd")
    behind = pong(bench)
    assert behind.interim_ms in (500, 1000, 2000)
    assert behind.interims_dropped > 0
    assert behind.busy > 0.8
    bench.idle()
    bench.engine.cost_s = 0.0
    position = len(long) // 2
    for _ in range(8):
        bench.now_s += 5.0
        bench.audio(position, TALKING, "a")
        position += len(TALKING) // 2
        bench.idle()
    after = pong(bench)
    assert (after.interim_ms, after.waiting) == (300, 0)


def test_utterances_backlog_and_guard_hits_are_counted() -> None:
    bench = Bench(engine_of=lambda bench: InventingEngine(bench, 0.0))
    bench.open()
    bench.audio(0, scripted_sound(TALK))
    before = pong(bench)
    assert (before.backlog_samples, before.utterances, before.guard_hits) == (len(scripted_sound(TALK)) // 2, 0, {})
    bench.idle()
    after = pong(bench)
    assert (after.utterances, after.interims_dropped, after.sessions) == (2, 0, 1)
    assert after.guard_hits == {"loop": 3, "outside_voice": 2}
    assert after.steps == len(bench.of(wire.Ran))
    assert all(word.text != "thanks" for word in bench.words())


def test_while_interims_are_stretched_nothing_is_guessed() -> None:
    bench = Bench()
    bench.open()
    bench.live(scripted_sound([("good", 0.2)], length_s=0.6))
    bench.loop._cadence.ran(1.0, bench.now_s)
    bench.live(bytes(2 * 16_000), start=9600)
    assert [each.kind for each in bench.of(wire.Ran)][-1] == "final"
    assert "guess" not in [each.kind for each in bench.of(wire.Ran)]


def test_a_guess_that_was_wanted_before_interims_stretched_is_not_made() -> None:
    bench = Bench(cost_s=0.0)
    bench.open()
    bench.live(scripted_sound([("good", 0.2)], length_s=0.6))
    bench.loop._cadence.ran(0.0, bench.now_s)
    bench.audio(9600, bytes(2 * 4800))
    bench.loop._listen()
    bench.loop._cadence.ran(1.0, bench.now_s)
    assert not bench.loop.turn()
    assert "guess" not in [each.kind for each in bench.of(wire.Ran)]


def test_interims_that_were_run_are_not_counted_as_left_out() -> None:
    bench = Bench(cost_s=0.02)
    bench.open()
    bench.live(TALKING)
    assert bench.engine.interims > 8
    assert pong(bench).interims_dropped == 0
