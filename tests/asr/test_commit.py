from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.commit import CommittingEngine
from asr.contract import Draft, EngineInfo, SessionOptions, Step, StreamingEngine, Window
from protocol.words import Word
from tests.asr.said import said, text


class Readings:
    """A re-decoding engine that reads its hypotheses from a list and remembers its windows."""

    def __init__(self, readings: list[tuple[Word, ...]]) -> None:
        self.readings = readings
        self.windows: list[Window] = []

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(name="readings", model="readings", languages=())

    @property
    def batch_max(self) -> int:
        return 1

    @property
    def guard_hits(self) -> Mapping[str, int]:
        return {}

    def begin(self, options: SessionOptions) -> None:
        return None

    def transcribe(self, windows: Sequence[Window]) -> list[Draft]:
        self.windows += windows
        return [Draft(self.readings.pop(0)) for _ in windows]

    def align(self, drafts: Sequence[tuple[Draft, int]]) -> list[tuple[Word, ...]]:
        raise AssertionError("these words have times")


def test_two_readings_commit_what_they_share_and_keep_the_later_text() -> None:
    readings = Readings([said("good morning every"), said("Good morning, everyone"), said("everyone here", 8000)])
    engine = CommittingEngine(readings)
    assert isinstance(engine, StreamingEngine)
    stream = engine.open(SessionOptions())
    sound = np.zeros(16_000, np.int16)
    [first] = engine.step([Step(stream, sound, 0, False)])
    assert (text(first.committed), text(first.tentative)) == ("", "good morning every")
    [second] = engine.step([Step(stream, sound, 16_000, False)])
    assert (text(second.committed), text(second.tentative)) == ("Good morning,", "everyone")
    [third] = engine.step([Step(stream, sound, 32_000, False)])
    assert readings.windows[2].start_samples == 8000
    assert readings.windows[2].before == "Good morning,"
    assert (text(third.committed), text(third.tentative)) == ("Good morning, everyone", "here")


def test_the_final_hears_the_whole_utterance_alone() -> None:
    readings = Readings([said("a b"), said("a b c"), said("whole truth", 100)])
    engine = CommittingEngine(readings)
    stream = engine.open(SessionOptions())
    sound = np.zeros(16_000, np.int16)
    for i in range(2):
        engine.step([Step(stream, sound, 100 + i * 16_000, False)])
    [final] = engine.step([Step(stream, sound[:0], 32_100, True)])
    assert text(final.committed) == "whole truth"
    assert not final.tentative
    window = readings.windows[-1]
    assert (window.start_samples, len(window.samples), window.before, window.final) == (100, 32_000, "", True)


def test_too_little_sound_is_not_given_to_the_engine() -> None:
    readings = Readings([])
    engine = CommittingEngine(readings)
    [hypothesis] = engine.step([Step(engine.open(SessionOptions()), np.zeros(100, np.int16), 0, False)])
    assert hypothesis.words == ()


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=8))
def test_committed_words_only_grow_while_open(readings: list[list[str]]) -> None:
    engine = CommittingEngine(Readings([said(" ".join(reading), each=2000) for reading in readings]))
    stream = engine.open(SessionOptions())
    committed: tuple[Word, ...] = ()
    for i in range(len(readings)):
        [hypothesis] = engine.step([Step(stream, np.zeros(16_000, np.int16), i * 16_000, False)])
        assert hypothesis.committed[: len(committed)] == committed
        committed = hypothesis.committed


class Untimed(Readings):
    """Its words get their times by ``align``: the word at place n from n seconds on."""

    def __init__(self, readings: list[tuple[Word, ...]]) -> None:
        super().__init__(readings)
        self.aligned: list[int] = []

    def transcribe(self, windows: Sequence[Window]) -> list[Draft]:
        return [replace(draft, timed=not draft.words) for draft in super().transcribe(windows)]

    def align(self, drafts: Sequence[tuple[Draft, int]]) -> list[tuple[Word, ...]]:
        self.aligned += [count for _, count in drafts]
        return [
            tuple(
                word.model_copy(update={"start_samples": i * 16_000, "end_samples": (i + 1) * 16_000})
                for i, word in enumerate(draft.words[:count])
            )
            for draft, count in drafts
        ]


def test_only_words_that_commit_are_aligned_and_the_others_go_behind_them() -> None:
    readings = Untimed([said("one two three"), said("one two four"), said("five")])
    engine = CommittingEngine(readings)
    streams = [engine.open(SessionOptions())]
    sound = np.zeros(160_000, np.int16)
    engine.step([Step(streams[0], sound, 0, False)])
    assert readings.aligned == []
    [second] = engine.step([Step(streams[0], sound, 160_000, False)])
    assert readings.aligned == [2]
    assert [(word.start_samples, word.end_samples) for word in second.committed] == [(0, 16_000), (16_000, 32_000)]
    assert (text(second.tentative), second.tentative[0].start_samples) == ("four", 32_000)
    engine.step([Step(streams[0], sound, 320_000, False)])
    assert readings.windows[2].start_samples == 32_000


def test_a_loop_cut_out_of_the_middle_moves_no_word_behind_it() -> None:
    stuck = "so it was " + "and then " * 6 + "over"
    engine = CommittingEngine(Untimed([said(stuck, each=800)] * 3))
    stream = engine.open(SessionOptions())
    sound = np.zeros(160_000, np.int16)
    engine.step([Step(stream, sound, 0, False)])
    [open_] = engine.step([Step(stream, sound, 160_000, False)])
    [final] = engine.step([Step(stream, sound, 320_000, True)])
    for committed in (open_.committed, final.committed):
        assert text(committed) == "so it was and then over"
        assert [word.start_samples // 16_000 for word in committed] == [0, 1, 2, 3, 4, 15]
    assert engine.guard_hits["loop"] == 3


def test_a_closed_stream_keeps_neither_sound_nor_what_the_engine_kept() -> None:
    engine = CommittingEngine(Readings([said("one")]))
    stream = engine.open(SessionOptions())
    stream.state = object()
    engine.step([Step(stream, np.zeros(16_000, np.int16), 0, False)])
    engine.close(stream)
    engine.close(stream)
    assert (stream.sound, stream.state) == ([], None)
