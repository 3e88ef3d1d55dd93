"""Whose a segment is, by the steps of a pass."""

from __future__ import annotations

from protocol.words import Word
from server.regrouping import Run
from server.segment_turns import Turn, most, pieces_of, turns_of, unheard
from tests.server.spoken import segment

LABELS = {0: "Speaker 1", 1: "Speaker 2", 2: "Speaker 1"}


def test_voices_that_people_made_one_are_one_turn_and_nobodys_words_none() -> None:
    said = [Run(0, 2, 1.0), Run(2, 4, 0.4), Run(1, 1, 0.5), Run(9, 3, 1.0)]
    turns = turns_of(said, LABELS)
    assert [(turn.label, turn.voice, turn.words, round(turn.confidence, 2)) for turn in turns] == [
        ("Speaker 1", 2, 6, 0.6),
        ("Speaker 2", 1, 1, 0.5),
    ]
    assert most(turns) == turns[0]
    assert most([]) is None


def test_a_segment_is_cut_where_all_its_words_are_somebodys() -> None:
    words = tuple(Word(text=text, start_samples=i * 100, end_samples=i * 100 + 90) for i, text in enumerate("abc"))
    told = segment(text="a b c").model_copy(update={"words": words, "end_samples": 300})
    turns = [Turn("Speaker 1", 0, 2, 1.0), Turn("Speaker 2", 1, 1, 1.0)]
    pieces = pieces_of(told, turns)
    assert pieces is not None
    assert [(piece.text, turn.label) for piece, turn in pieces] == [("a b", "Speaker 1"), ("c", "Speaker 2")]
    assert pieces_of(told, turns[:1]) is None


def test_one_of_which_nothing_is_known_follows_its_label() -> None:
    told = segment(text="a").model_copy(update={"speaker": "Speaker 3", "voice": 4, "speaker_confidence": 0.3})
    assert unheard(told, {"Speaker 3": "Speaker 2"}) == Turn("Speaker 2", 4, 1, 0.3)
    assert unheard(told, {}) is None
