"""Ids, revisions and texts of segments."""

from __future__ import annotations

import pytest

from asr.segments import SegmentBook, join_words
from protocol.words import Word


def words(*texts: str, start: int = 0) -> list[Word]:
    return [
        Word(text=text, start_samples=start + 100 * number, end_samples=start + 100 * number + 90, confidence=0.25)
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "language", "joined"),
    [
        (("hello", "world"), "en", "hello world"),
        ((" Hello,", " world", "."), "en", "Hello, world."),
        (("Hello", " world"), None, "Hello world"),
        (("你", "好"), "zh", "你好"),
        (("こん", "にちは"), "ja-JP", "こんにちは"),
        ((" one ",), None, "one"),
        ((), None, ""),
    ],
)
def test_texts_are_joined_as_the_language_writes(texts: tuple[str, ...], language: str | None, joined: str) -> None:
    assert join_words(words(*texts), language) == joined


def test_a_segment_keeps_its_id_until_its_final() -> None:
    book = SegmentBook("trk", "en")
    first = book.heard(words("a"), None, final=False)
    second = book.heard(words("a", "b"), None, final=False)
    final = book.heard(words("a", "b"), None, final=True)
    next_one = book.heard(words("c", start=500), None, final=True)
    assert first
    assert second
    assert final
    assert next_one
    assert first.segment_id == second.segment_id == final.segment_id != next_one.segment_id
    assert [first.revision, second.revision, final.revision, next_one.revision] == [1, 2, 3, 1]
    assert [first.is_final, second.is_final, final.is_final] == [False, False, True]
    assert (final.start_samples, final.end_samples, final.language, final.confidence) == (0, 190, "en", 0.25)


def test_the_same_interim_is_told_once_but_its_final_is_told() -> None:
    book = SegmentBook("trk", None)
    assert book.heard(words("a"), None, final=False)
    assert book.heard(words("a"), None, final=False) is None
    assert book.heard(words("a"), None, final=True)


def test_words_lose_their_spaces_and_auto_is_no_language() -> None:
    book = SegmentBook("trk", "auto")
    segment = book.heard(words(" a", " b"), None, final=True)
    assert segment
    assert [word.text for word in segment.words] == ["a", "b"]
    assert segment.language is None


def test_a_final_without_words_takes_back_what_was_shown() -> None:
    book = SegmentBook("trk", "en")
    assert book.heard([], None, final=True) is None
    shown = book.heard(words("a"), None, final=False)
    assert book.heard([], None, final=False) is None
    taken_back = book.heard([], None, final=True)
    assert shown
    assert taken_back
    assert (taken_back.segment_id, taken_back.text, taken_back.words) == (shown.segment_id, "", ())
    assert (taken_back.is_final, taken_back.revision) == (False, 2)
    assert book.open_segment is None


def test_settling_past_an_open_segment_takes_it_back() -> None:
    book = SegmentBook("trk", "en")
    book.heard(words("a", "b"), None, final=False)
    assert book.settled(189) is None
    taken_back = book.settled(190)
    assert taken_back
    assert taken_back.text == ""
    assert book.settled(190) is None
