"""Ids, revisions and texts of segments."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.segments import SegmentBook, join_words
from asr.wire import Spoke
from protocol.words import Segment, Word


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


def told(segments: list[Segment]) -> Segment:
    [segment] = segments
    return segment


def test_a_segment_keeps_its_id_until_its_final() -> None:
    book = SegmentBook("trk", "en")
    first = told(book.heard(words("a"), None, final=False))
    second = told(book.heard(words("a", "b"), None, final=False))
    final = told(book.heard(words("a", "b"), None, final=True))
    next_one = told(book.heard(words("c", start=500), None, final=True))
    assert first.segment_id == second.segment_id == final.segment_id != next_one.segment_id
    assert [first.revision, second.revision, final.revision, next_one.revision] == [1, 2, 3, 1]
    assert [first.is_final, second.is_final, final.is_final] == [False, False, True]
    assert (final.start_samples, final.end_samples, final.language, final.confidence) == (0, 190, "en", 0.25)
    assert (final.voice, final.speaker_confidence) == (None, None)


def test_the_same_interim_is_told_once_but_its_final_is_told() -> None:
    book = SegmentBook("trk", None)
    assert book.heard(words("a"), None, final=False)
    assert book.heard(words("a"), None, final=False) == []
    assert book.heard(words("a"), None, final=True)


def test_words_lose_their_spaces_and_auto_is_no_language() -> None:
    book = SegmentBook("trk", "auto")
    segment = told(book.heard(words(" a", " b"), None, final=True))
    assert [word.text for word in segment.words] == ["a", "b"]
    assert segment.language is None


def test_a_final_without_words_takes_back_what_was_shown() -> None:
    book = SegmentBook("trk", "en")
    assert book.heard([], None, final=True) == []
    shown = told(book.heard(words("a"), None, final=False))
    assert book.heard([], None, final=False) == []
    taken_back = told(book.heard([], None, final=True))
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


def by(*voices_and_words: tuple[int, int]) -> list[Spoke]:
    return [Spoke(voice=voice, words=count, confidence=0.5) for voice, count in voices_and_words]


def test_a_final_of_several_voices_is_a_segment_of_each_and_the_first_has_the_open_id() -> None:
    book = SegmentBook("trk", "en")
    shown = told(book.heard(words("a", "b"), None, final=False, spoke=by((3, 2))))
    assert (shown.voice, shown.speaker_confidence) == (3, 0.5)
    parts = book.heard(words("a", "b", "c", "d"), None, final=True, spoke=by((3, 1), (1, 2), (3, 1)))
    assert [(part.text, part.voice) for part in parts] == [("a", 3), ("b c", 1), ("d", 3)]
    assert parts[0].segment_id == shown.segment_id
    assert len({part.segment_id for part in parts}) == 3
    assert [(part.revision, part.is_final) for part in parts] == [(2, True), (1, True), (1, True)]
    assert [(part.start_samples, part.end_samples) for part in parts] == [(0, 90), (100, 290), (300, 390)]
    assert book.open_segment is None


def test_where_two_speak_at_once_is_told_of_each_segment_that_it_is_in() -> None:
    parts = SegmentBook("trk", "en").heard(
        words("a", "b", "c", "d"), None, final=True, spoke=by((3, 2), (1, 2)), overlaps=[(50, 250), (1000, 2000)]
    )
    assert [(part.start_samples, part.end_samples, part.overlap) for part in parts] == [
        (0, 190, ((50, 190),)),
        (200, 390, ((200, 250),)),
    ]


def test_it_is_kept_that_the_recogniser_told_words_as_one_speakers() -> None:
    spoke = [one.model_copy(update={"of_one": one.voice == 1}) for one in by((3, 1), (1, 2))]
    parts = SegmentBook("trk", "en").heard(words("a", "b", "c"), None, final=True, spoke=spoke)
    assert [part.of_one for part in parts] == [False, True]


def test_an_interim_whose_voice_becomes_known_is_told_and_keeps_it() -> None:
    book = SegmentBook("trk", "en")
    assert told(book.heard(words("a"), None, final=False)).voice is None
    assert told(book.heard(words("a"), None, final=False, spoke=by((2, 1)))).voice == 2
    assert book.heard(words("a"), None, final=False) == []
    assert told(book.heard(words("a", "b"), None, final=False)).voice == 2
    assert told(book.heard(words("a", "b"), None, final=True)).voice == 2
    assert told(book.heard(words("c"), None, final=True)).voice is None


def test_who_was_enrolled_is_called_by_name() -> None:
    book = SegmentBook("trk", "en")
    spoke = [Spoke(voice=0, words=1, confidence=0.5, name="Anna"), *by((1, 1))]
    assert [part.speaker for part in book.heard(words("a", "b"), None, final=True, spoke=spoke)] == ["Anna", None]


def test_a_piece_of_a_word_and_its_sign_stay_with_who_began_it() -> None:
    book = SegmentBook("trk", "en")
    spoken = words(" 23", "%", " of", " it", ".")
    parts = book.heard(spoken, None, final=True, spoke=by((0, 1), (1, 3), (0, 1)))
    assert [(part.text, part.voice) for part in parts] == [("23%", 0), ("of it.", 1)]
    whole = book.heard(spoken, None, final=True, spoke=by((0, 1), (1, 4)))
    assert [part.text for part in whole] == ["23%", "of it."]


def test_a_grouping_that_is_not_of_these_words_is_not_believed() -> None:
    segment = told(SegmentBook("trk", "en").heard(words("a", "b"), None, final=True, spoke=by((0, 1), (1, 2))))
    assert (segment.text, segment.voice) == ("a b", None)


PIECES = (" one", " two", "three", ".", "%", " ", "", "你", " 好", "four ")
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1)


@given(st.data(), TEXTS, st.sampled_from(["en", "zh", None]), st.booleans())
def test_any_grouping_has_every_word_once_and_the_text_of_the_whole(
    data: st.DataObject, texts: list[str], language: str | None, was_open: bool
) -> None:
    spoken = words(*texts)
    spoke: list[Spoke] = []
    while (left := len(spoken) - sum(one.words for one in spoke)) > 0:
        spoke += by((data.draw(st.integers(0, 2)), data.draw(st.integers(1, left))))
    book = SegmentBook("trk", language)
    before = book.heard(words("early"), None, final=False) if was_open else []
    parts = book.heard(spoken, None, final=True, spoke=spoke)
    assert [word for part in parts for word in part.words] == [
        word.model_copy(update={"text": word.text.strip()}) for word in spoken
    ]
    whole = join_words(spoken, language)
    assert "".join("".join(part.text for part in parts).split()) == "".join(whole.split())
    at = 0
    for part in parts:  # and each is written as it is in the whole
        assert whole[at:].startswith(part.text)
        at += len(part.text)
        at += whole[at : at + 1] == " "
    assert all(part.text for part in parts) or not whole
    assert all(one.voice != other.voice for one, other in pairwise(parts))
    assert len({part.segment_id for part in parts}) == len(parts)
    assert {part.segment_id for part in before} <= {parts[0].segment_id}
    voices = [one.voice for one in spoke for _ in range(one.words)]
    assert parts[0].voice in voices
    assert book.open_segment is None
