"""A segment cut by its words: nothing lost, nothing said twice, nothing changed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocol.words import Segment, Word
from server.speaker_cuts import cut, joined
from tests.server.spoken import segment


def spoken(text: str, words: list[str]) -> Segment:
    timed = tuple(Word(text=word, start_samples=i * 1000, end_samples=i * 1000 + 900) for i, word in enumerate(words))
    return segment(text=text).model_copy(update={"words": timed, "end_samples": len(words) * 1000 + 500})


def test_the_middle_is_cut_out_and_signs_stay_with_their_words() -> None:
    told = spoken("Well, no. I mean: yes!", ["Well", "no", "I", "mean", "yes"])
    pieces = cut(told, lambda word: word.text in ("I", "mean"))
    assert pieces is not None
    assert [(piece.text, theirs) for piece, theirs in pieces] == [
        ("Well, no.", False),
        ("I mean:", True),
        ("yes!", False),
    ]
    first, second, third = (piece for piece, _ in pieces)
    assert (first.segment_id, first.revision) == (told.segment_id, told.revision + 1)
    assert len({first.segment_id, second.segment_id, third.segment_id}) == 3
    assert (second.revision, third.revision) == (1, 1)
    assert [(p.start_samples, p.end_samples) for p, _ in pieces] == [(0, 1900), (2000, 3900), (4000, 5500)]


def test_where_two_speak_at_once_stays_where_it_was_and_is_the_same_once_the_pieces_are_one() -> None:
    overlap = ((500, 2500), (3000, 3500), (5200, 5400))
    told = spoken("one two three four five", ["one", "two", "three", "four", "five"])
    told = told.model_copy(update={"overlap": overlap})
    pieces = [piece for piece, _ in cut(told, lambda word: word.text in ("three", "four")) or []]
    assert [piece.overlap for piece in pieces] == [((500, 1900),), ((2000, 2500), (3000, 3500)), ((5200, 5400),)]
    assert joined(pieces).overlap == overlap


def test_what_is_all_of_one_kind_is_left_as_it_is() -> None:
    told = spoken("one two", ["one", "two"])
    assert cut(told, lambda word: True) == [(told, True)]
    assert cut(told, lambda word: False) == [(told, False)]


def test_what_the_words_do_not_spell_cannot_be_cut() -> None:
    assert cut(spoken("23 men", ["twenty", "three", "men"]), lambda word: word.text == "men") is None
    assert cut(spoken("no words known", []), lambda word: True) is None


@given(st.lists(st.tuples(st.sampled_from(["ja", "jaja", "a", "Ünï", "日", "x."]), st.booleans()), min_size=1))
def test_the_pieces_are_the_whole(words: list[tuple[str, bool]]) -> None:
    told = spoken(" ".join(word for word, _ in words), [word for word, _ in words])
    theirs = {i * 1000 for i, (_, is_theirs) in enumerate(words) if is_theirs}
    pieces = cut(told, lambda word: word.start_samples in theirs)
    assert pieces is not None
    assert " ".join(piece.text for piece, _ in pieces) == told.text
    assert [word for piece, _ in pieces for word in piece.words] == list(told.words)
    assert [is_theirs for piece, is_theirs in pieces for _ in piece.words] == [is_theirs for _, is_theirs in words]
    assert pieces[0][0].start_samples == told.start_samples
    assert pieces[-1][0].end_samples == told.end_samples
    assert all(before.end_samples <= after.start_samples for (before, _), (after, _) in pairwise(pieces))
