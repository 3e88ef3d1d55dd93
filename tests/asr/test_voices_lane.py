"""Voices beside the words, in virtual time: whose words they are, and that no word waits for it, changes or is lost."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import wire
from asr.contract import SessionOptions
from asr.engines.scripted_voices import HUMS_HZ, INFO
from asr.voice_encoding import BATCH_MAX
from asr.voice_prints import packed_mean
from asr.voices_lane import FINAL_BATCHES, FIRST_S, GATHER_S
from asr.worker_settings import WorkerSettings
from tests.asr.test_loop import FILE, Bench
from tests.asr.voices_bench import (
    FIRST,
    LIVE,
    OF_FILE,
    SECOND,
    TALK,
    HeavyEncoder,
    TimedEncoder,
    VoicesBench,
    as_expected,
    said_by,
    voices_of,
)

FINAL_MAX = FINAL_BATCHES * BATCH_MAX


def test_the_words_of_a_final_are_whose_they_are_and_its_prints_come_right_before_it() -> None:
    bench = VoicesBench()
    bench.open(options=LIVE)
    bench.live(said_by(*TALK))
    assert bench.whose() == as_expected(*TALK)
    [prints] = bench.prints()
    [final] = bench.finals()
    assert bench.said.index(prints) + 1 == bench.said.index(final)
    assert {voice for _, _, voice in prints.steps} == {0, 1}
    assert len(prints.embeddings) == prints.dim * len(prints.steps)
    assert final.start_samples - 6400 <= prints.steps[0][0]
    assert prints.steps[-1][1] <= final.through_samples
    assert all(0.0 <= one.confidence <= 1.0 for one in final.spoke)


def test_an_interim_has_the_voice_of_its_first_word_once_it_is_known() -> None:
    bench = VoicesBench()
    bench.open(options=LIVE)
    bench.live(said_by(*TALK))
    interims = [heard for heard in bench.of(wire.Heard) if not heard.final]
    known = [heard for heard in interims if heard.spoke]
    assert not interims[0].spoke
    assert 0 < len(known) < len(interims)
    assert interims[-len(known) :] == known
    for heard in known:
        [one] = heard.spoke
        assert (one.voice, one.words) == (0, len(heard.words))


def hum(voice: int, length_s: float = 2.0) -> bytes:
    """Somebody who says no words, and then a pause."""
    time_s = np.arange(round(16_000 * length_s)) / 16_000
    loud = np.round(2000 * np.sin(2 * np.pi * HUMS_HZ[voice] * time_s)).astype("<i2")
    return loud.tobytes() + bytes(2 * 16_000)


def test_who_says_no_words_is_nobody_and_the_first_who_does_is_the_first() -> None:
    bench = VoicesBench()
    bench.open(options=LIVE.model_copy(update={"max_speakers": 2}))
    bench.live(hum(4) + said_by(*TALK) + hum(5) + said_by((1, SECOND), (0, FIRST)))
    assert bench.whose() == as_expected(*TALK, (1, SECOND), (0, FIRST))
    assert {voice for prints in bench.prints() for _, _, voice in prints.steps} == {0, 1}


def test_it_goes_on_with_what_a_later_pass_found() -> None:
    bench = VoicesBench()
    bench.open(options=LIVE)
    first = said_by(*TALK)
    bench.live(first)
    both = np.zeros(INFO.dim, np.float32)
    both[:2] = np.sqrt(0.5)
    found = wire.FoundVoices(
        session_id="s",
        generation=1,
        encoder=INFO.name,
        voices=(wire.HeardVoice(number=1, embedding=packed_mean(both), heard_samples=80_000),),
        gone=(0,),
    )
    for each in (found.model_copy(update={"encoder": "another", "gone": (1,)}), found):
        bench.loop.take(each)
    bench.loop.take(found.model_copy(update={"session_id": "nobody"}))
    bench.live(said_by((0, FIRST), (2, SECOND)), start=len(first) // 2)
    assert bench.whose() == as_expected(*TALK, (1, FIRST), (2, SECOND))


def test_a_final_that_was_guessed_says_who_spoke() -> None:
    bench = VoicesBench()
    bench.open(options=LIVE)
    bench.live(said_by((0, "good morning river"), end_s=3.0))
    assert "final" not in {ran.kind for ran in bench.of(wire.Ran)}
    assert bench.whose() == as_expected((0, "good morning river"))


def test_without_being_asked_nothing_is_told_apart_and_nothing_else_is_different() -> None:
    plain, other = Bench(cost_s=0.02), VoicesBench(cost_s=0.02)
    for bench in (plain, other):
        bench.open()
        bench.live(said_by(*TALK))
    assert plain.said == other.said
    assert not other.loading.begun


@settings(max_examples=20, deadline=None)
@given(st.data(), st.sampled_from([0.0, 0.05, 0.6]))
def test_words_are_the_same_with_voices_told_apart(data: st.DataObject, cost_s: float) -> None:
    sounds = [
        said_by(
            *((data.draw(st.integers(0, 3)), text) for text in (FIRST, SECOND, FIRST)),
            gap_s=data.draw(st.sampled_from([0.0, 0.7])),
        )
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    lanes = [data.draw(st.sampled_from([LIVE, OF_FILE])) for _ in sounds]
    plain = Bench(cost_s=cost_s, settings=WorkerSettings(utterance_max_s=4.0))
    other = VoicesBench(cost_s=cost_s, settings=WorkerSettings(utterance_max_s=4.0))
    blocks = data.draw(st.lists(st.sampled_from([160, 3000, 16_000, 60_000]), min_size=1, max_size=8))
    bench: Bench
    for bench in (plain, other):
        for i, lane in enumerate(lanes):
            bench.open(str(i), lane)
        done, turn = 0, 0
        while done < max(map(len, sounds)) // 2:
            count = blocks[turn % len(blocks)]
            for i, sound in enumerate(sounds):
                if piece := sound[2 * done : 2 * (done + count)]:
                    bench.audio(done, piece, str(i))
            done, turn = done + count, turn + 1
            bench.now_s = max(bench.now_s, done / 16_000)
            for _ in range(turn % 3):
                bench.loop.turn()
        for i in range(len(sounds)):
            bench.finalize(1, str(i))
        bench.idle()
    for i in range(len(sounds)):
        assert other.words(str(i)) == plain.words(str(i))
        finals = [(heard.words, heard.through_samples) for heard in other.finals(str(i))]
        assert finals == [(heard.words, heard.through_samples) for heard in plain.finals(str(i))]
        for heard in other.finals(str(i)):
            assert len(voices_of(heard)) == len(heard.words)
        steps = [step for prints in other.prints(str(i)) for step in prints.steps]
        assert all(before[1] <= after[0] for before, after in pairwise(steps))
        assert all(start < end for start, end, _ in steps)
    assert other.pong().voice_failures == 0
    assert not other.loop._voices._pending


def test_words_come_first_and_voices_are_embedded_when_none_is_due() -> None:
    bench = VoicesBench(cost_s=0.05, window_s=0.0025)
    names = "abcd"
    for name in names:
        bench.open(name, LIVE)
    bench.race(said_by(*TALK, *TALK), *names)
    bench.idle()
    finals = len([ran for ran in bench.of(wire.Ran) if ran.kind == "final"])
    assert sum(size for _, size in bench.encoder.steps) > 4 * 15
    assert bench.encoder.while_due <= FINAL_MAX * finals
    assert all(bench.whose(name) == as_expected(*TALK, *TALK) for name in names)


def test_no_word_is_later_than_a_step_of_the_encoder() -> None:
    """With an engine that takes no time, what a word waits for is the encoder."""
    lates_s = []
    for window_s in (0.0, 0.0025):
        bench = VoicesBench(window_s=window_s)
        for i in range(20):
            bench.open(str(i), LIVE)
        bench.race(said_by(*TALK, *TALK), *map(str, range(20)), block_samples=960)
        lates_s.append(max(ran.wait_ms for ran in bench.of(wire.Ran) if ran.kind in ("interim", "final")) / 1000)
        assert {ran.size for ran in bench.of(wire.Ran) if ran.kind == "voices"} <= set(range(BATCH_MAX + 1))
    assert lates_s[1] - lates_s[0] <= BATCH_MAX * 0.0025 + FINAL_MAX * 0.0025 + 1e-6


def test_windows_of_many_go_together_and_one_alone_waits_for_others_but_not_long() -> None:
    many = VoicesBench()
    for i in range(8):
        many.open(str(i), LIVE)
    pcm = said_by(*TALK)
    for at in range(0, len(pcm) // 2, 960):
        many.now_s += 0.06
        for i in range(8):
            many.audio(at, pcm[2 * at : 2 * (at + 960)], str(i))
        many.idle()
    sizes = [size for _, size in many.encoder.steps]
    assert sum(sizes) / len(sizes) > 6
    alone = VoicesBench()
    alone.open(options=LIVE)
    alone.live(pcm, block_samples=160)
    waits_ms = [ran.wait_ms for ran in alone.of(wire.Ran) if ran.kind == "voices"]
    assert max(waits_ms) <= 1000 * GATHER_S + 11
    assert min(waits_ms) >= 1000 * GATHER_S - 1


def test_the_loop_wakes_for_windows_that_waited() -> None:
    bench = VoicesBench()
    bench.open(options=SessionOptions(diarize=True, interim=False))
    bench.audio(0, said_by(*TALK)[: 2 * 40_000])
    bench.idle()
    due_s = bench.loop.next_due_s()
    assert due_s == GATHER_S
    bench.now_s = due_s
    bench.idle()
    assert bench.encoder.steps
    assert bench.loop.next_due_s() is None


@pytest.mark.parametrize("is_quick", [True, False])
def test_the_very_first_final_waits_for_the_encoder_and_no_other_does(
    is_quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def load(bench: VoicesBench) -> TimedEncoder:
        assert go.wait(60)
        return TimedEncoder(bench)

    bench = VoicesBench(load=load, in_thread=True)
    waits_s: list[float] = []
    waited = bench.loading.wait

    def wait(timeout_s: float) -> None:
        waits_s.append(timeout_s)
        if is_quick:
            go.set()
            waited(60)

    monkeypatch.setattr(bench.loading, "wait", wait)
    bench.open(options=LIVE)
    bench.audio(0, said_by(*TALK) + said_by(*TALK))
    bench.finalize()
    bench.idle()
    assert waits_s == [FIRST_S]
    assert [word.text for word in bench.words()] == [*FIRST.split(), *SECOND.split()] * 2
    assert [bool(heard.spoke) for heard in bench.finals()] == [is_quick] * 2
    go.set()
    waited(60)


def words_are_always_due(bench: VoicesBench) -> None:
    """So that there is never time for voices in between."""
    vars(bench.loop._voices)["turn"] = lambda files: False


def test_at_a_final_no_more_is_made_up_for_than_its_share_and_the_rest_is_as_its_neighbours() -> None:
    turns = [(i % 2, f"{FIRST} {SECOND}") for i in range(4)]
    bench = VoicesBench()
    bench.open(options=LIVE)
    words_are_always_due(bench)
    bench.live(said_by(*turns))
    bench.finalize()
    bench.idle()
    assert [size for _, size in bench.encoder.steps] == [BATCH_MAX] * (FINAL_MAX // BATCH_MAX)
    assert bench.pong().voice_windows_dropped > 15
    [final] = bench.finals()
    told = voices_of(final)
    right = [voice for voice, text in turns for _ in text.split()]
    assert len(told) == len(right)
    assert sum(one == other for one, other in zip(told, right, strict=True)) >= 0.85 * len(right)
    [prints] = bench.prints()
    assert len(prints.steps) == FINAL_MAX


def test_of_a_heavier_encoder_fewer_windows_are_a_step_and_fewer_keep_a_final_waiting() -> None:
    turns = [(i % 2, FIRST) for i in range(4)]
    bench = VoicesBench(load=HeavyEncoder)
    bench.open(options=LIVE)
    bench.live(said_by(*turns))
    assert bench.whose()
    assert {ran.batch_max for ran in bench.of(wire.Ran) if ran.kind == "voices"} == {2}
    assert {size for _, size in bench.encoder.steps} <= {1, 2}
    late = VoicesBench(load=HeavyEncoder)
    late.open(options=LIVE)
    words_are_always_due(late)
    late.live(said_by(*turns))
    assert sum(size for _, size in late.encoder.steps) == 2 * FINAL_BATCHES


def test_several_finals_of_a_step_share_what_is_made_up_for() -> None:
    bench = VoicesBench()
    words_are_always_due(bench)
    for i in range(4):
        bench.open(str(i), LIVE)
        bench.audio(0, said_by((i, FIRST)), str(i))
        bench.finalize(1, str(i))
    bench.idle()
    [final] = [ran for ran in bench.of(wire.Ran) if ran.kind == "final"]
    assert final.size == 4
    assert sum(size for _, size in bench.encoder.steps) == FINAL_MAX
    assert all(len(bench.whose(str(i))) == 6 for i in range(4))
    assert bench.pong().voice_windows_dropped > 0


def test_a_file_waits_for_its_windows_and_loses_none_while_somebody_speaks() -> None:
    bench = VoicesBench(cost_s=0.01, window_s=0.002)
    bench.open("file", OF_FILE)
    bench.open("live", LIVE)
    bench.audio(0, said_by(*TALK, *TALK), "file")
    bench.finalize(1, "file")
    bench.race(said_by(*TALK), "live")
    bench.finalize(1, "live")
    bench.idle()
    assert bench.whose("file") == as_expected(*TALK, *TALK)
    assert bench.whose("live") == as_expected(*TALK)
    assert bench.pong().voice_windows_dropped == 0
    file_steps = sum(len(prints.steps) for prints in bench.prints("file"))
    assert file_steps == sum(len(prints.steps) for prints in reference(said_by(*TALK, *TALK)))
    assert bench.encoder.while_due == 0


def reference(pcm: bytes) -> list[wire.VoicePrints]:
    bench = VoicesBench()
    bench.open(options=LIVE)
    bench.live(pcm)
    bench.finalize()
    bench.idle()
    return bench.prints()


def test_live_words_go_before_the_windows_of_files() -> None:
    bench = VoicesBench(window_s=0.01)
    bench.open("file", OF_FILE)
    bench.open("live", FILE.model_copy(update={"lane": "live"}))
    bench.audio(0, said_by(*TALK), "file")
    bench.audio(0, said_by((0, "good morning")), "live")
    bench.finalize(1, "live")
    bench.idle()
    told = [(message.kind if isinstance(message, wire.Ran) else "") for message in bench.said]
    assert told.index("final") < told.index("voices") < told.index("file")


def test_what_one_speaks_costs_the_share_of_time_and_files_do_not() -> None:
    for options, counted in ((LIVE, True), (OF_FILE, False)):
        bench = VoicesBench(window_s=0.02)
        bench.loop._cadence._steps = (60.0,)
        bench.open(options=options)
        bench.live(said_by(*TALK))
        assert (bench.pong().busy > 0.0) is counted


def test_figures_are_told() -> None:
    bench = VoicesBench(window_s=0.01)
    bench.open(options=LIVE)
    bench.live(said_by(*TALK))
    pong = bench.pong()
    windows = sum(size for _, size in bench.encoder.steps)
    assert (pong.voice_windows, pong.voice_windows_dropped, pong.voice_failures, pong.no_encoder) == (windows, 0, 0, "")
    assert pong.voice_ms == pytest.approx(10.0 * windows)
    assert pong.steps == len([ran for ran in bench.of(wire.Ran) if ran.kind != "voices"])


def test_an_utterance_that_is_cut_leaves_each_step_to_one_final() -> None:
    bench = VoicesBench(settings=WorkerSettings(utterance_max_s=3.0))
    bench.open(options=LIVE)
    bench.live(said_by(*TALK, *TALK))
    bench.finalize()
    bench.idle()
    assert len(bench.finals()) >= 4
    right = [one == other for one, other in zip(bench.whose(), as_expected(*TALK, *TALK), strict=True)]
    assert sum(right) >= len(right) - 2  # what is cut is told with nothing of what comes after
    for prints, final in zip(bench.prints(), bench.finals(), strict=True):
        assert prints.steps[-1][1] <= final.through_samples
    steps = [step for prints in bench.prints() for step in prints.steps]
    assert all(before[1] <= after[0] for before, after in pairwise(steps))


def test_an_hour_of_two_voices_keeps_no_more_than_an_utterance() -> None:
    bench = VoicesBench(settings=WorkerSettings(utterance_max_s=5.0))
    bench.open(options=LIVE)
    piece = said_by(*TALK, end_s=0.2)
    kept = most_bytes = 0
    for i in range(600):
        bench.now_s += len(piece) / 32_000
        bench.audio(i * len(piece) // 2, piece)
        bench.idle()
        voices = bench.loop._voices._sessions["s"].voices
        assert voices is not None
        kept = max(kept, len(voices.pending) + len(voices._steps) + len(voices._embeddings))
        most_bytes = max(most_bytes, len(bench.loop._sessions["s"]._pcm))
        bench.said.clear()
    assert kept <= 3 * 2 * 5.0 / 0.4
    assert most_bytes <= 2 * 16_000 * 6 + len(piece)
    bench.loop.take(wire.Close(session_id="s", generation=1))
    assert not bench.loop._voices._sessions


def test_what_is_missing_is_made_up_for_at_a_guessed_final_too() -> None:
    bench = VoicesBench()
    words_are_always_due(bench)
    bench.open(options=LIVE)
    bench.live(said_by((0, "good morning river"), end_s=3.0))
    assert "final" not in {ran.kind for ran in bench.of(wire.Ran)}
    assert bench.whose() == as_expected((0, "good morning river"))


def test_speech_that_is_ended_by_a_marker_has_prints_to_its_end() -> None:
    bench = VoicesBench()
    bench.open(options=LIVE)
    bench.live(said_by(*TALK)[: 2 * 40_000])
    bench.finalize()
    bench.idle()
    [prints] = bench.prints()
    assert prints.steps[-1][1] > 40_000 - 2 * 512 - 4000  # a frame, and the pause between two words
