"""Personal data is taken out of text and words; all else stays as it was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.segments import SegmentBook
from protocol.words import Segment, Word
from server.personal_data.found import Kind
from server.redaction import redact, redact_segment
from tests.server.spoken import segment

LANGUAGES = st.sampled_from([None, "auto", "en", "en-US", "en-GB", "de", "fr", "es", "nl", "nl-BE", "it", "pl", "ja"])
SECRETS = [
    ("anna.berg@example.org", Kind.EMAIL),
    ("carl arobase exemple point fr", Kind.EMAIL),
    ("+31 6 1234 5678", Kind.PHONE),
    ("plus three one six one two three four five six seven eight", Kind.PHONE),
    ("NL91 ABNA 0417 1643 00", Kind.IBAN),
    ("4111 1111 1111 1111", Kind.CARD),
    ("X1234567L", Kind.ID),
    ("2 55 08 14 168 025 38", Kind.ID),
]
# None of them is a digit, an "at" or the like in any of the languages, nor can they be part of a spoken address.
FILLERS = st.sampled_from(["Well,", "yes!", "Straßen", "naïve", "日本語", "(really)", "…", "tomorrow;", "because", "?"])
_PIECES_TEXT = """
    0 00 06 1 12 34 345 678 000 1234 2026 0612345678 4111 1111 11111111 NL91 ABNA Z X1234567 L oh six double seven . ,
    - + ( ) : / € euros at @ arobase punkt dot point example anna org de com a n 10:30 1.000 3,5 22-11-2026 1.2.2026
    @x.de <redacted_phone>
"""
PIECES = st.sampled_from(_PIECES_TEXT.split())
JOINED = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " ", "\n"])), max_size=30).map(
    lambda pieces: "".join(piece + space for piece, space in pieces)
)


def said(*words: str, text: str | None = None) -> Segment:
    timed = tuple(
        Word(text=word, start_samples=i * 1000, end_samples=i * 1000 + 900, confidence=0.5 + 0.1 * (i % 5))
        for i, word in enumerate(words)
    )
    told = " ".join(words) if text is None else text
    return segment(text=told).model_copy(update={"words": timed, "end_samples": 60_000})


def told(redacted: Segment) -> list[str]:
    return [word.text for word in redacted.words]


def test_each_kind_has_its_placeholder_and_is_counted() -> None:
    emails = "anna@example.org, bob at example dot org"
    redaction = redact(f"{emails}; 06 12345678! NL91 ABNA 0417 1643 00? 4111 1111 1111 1111 / 111222333.", "nl")
    assert redaction.text == (
        "<redacted_email>, <redacted_email>; <redacted_phone>! <redacted_iban>? <redacted_card> / <redacted_id>."
    )
    assert redaction.counts == {Kind.EMAIL: 2, Kind.PHONE: 1, Kind.IBAN: 1, Kind.CARD: 1, Kind.ID: 1}
    assert redact("nothing here", "en").counts == {}


@pytest.mark.parametrize(
    ("text", "language", "redacted"),
    [
        ("GB33BUKB20201555555555", "en", "<redacted_iban>"),
        ("NL91 ABNA 06 12 34 56 78", "nl", "NL91 ABNA <redacted_phone>"),
        ("06 12345678 at example punt nl", "nl", "<redacted_email>"),
        ("2 55 08 14 168 025 38", "en", "<redacted_id>"),
        ("41 11 11 11 11 11 11 11", "fr", "<redacted_card>"),
        ("my card is 4111 1111 1111 1111 12 26", "en", "my card is <redacted_card> 12 26"),
    ],
)
def test_where_several_overlap_the_longest_is_meant(text: str, language: str, redacted: str) -> None:
    assert redact(text, language).text == redacted


@pytest.mark.parametrize("language", [None, "en", "de", "fr", "es", "nl", "da"])
@pytest.mark.parametrize(
    "text",
    [
        "In twenty twenty six, at 10:30, there were 3 000 000 people.",
        "From 1998 to 2026, and in 2019, 2020, 2021 again.",
        "On 22-11-2026 or 02.03.2026 it costs € 1.234.567,89 or $1,234,567.89.",
        "One two three four five six seven eight nine ten!",
        "Take flight KL1234 at gate 12 at that point in time.",
        "Chapter 3, verses 14 to 17, page 271, 8281 times.",
        "Version 3.14159265 of 1 000 000 000 000 000 stars.",
    ],
)
def test_what_is_not_personal_stays(text: str, language: str | None) -> None:
    assert redact(text, language).text == text


def test_words_become_one_with_their_time_and_signs() -> None:
    before = said("Call", "(06", "1234", "5678),", "or", "anna@example.org.")
    after = redact_segment(before, "nl")
    assert after.text == "Call (<redacted_phone>), or <redacted_email>."
    assert told(after) == ["Call", "(<redacted_phone>),", "or", "<redacted_email>."]
    number = after.words[1]
    assert (number.start_samples, number.end_samples) == (1000, 3900)
    assert number.confidence == pytest.approx(0.7)
    assert after.words[0] == before.words[0]
    assert after.model_copy(update={"text": before.text, "words": before.words}) == before


def test_without_findings_it_is_the_same_segment() -> None:
    for nothing in (said("all", "is", "well"), said(), said("23", text="twenty three")):
        assert redact_segment(nothing, "en") is nothing


def test_several_in_one_word_are_one_word() -> None:
    after = redact_segment(said("a@example.org/b@example.org", "06", "12345678/0698765432", "done"), "nl")
    assert after.text == "<redacted_email>/<redacted_email> <redacted_phone>/<redacted_phone> done"
    assert told(after) == ["<redacted_email>/<redacted_email>", "<redacted_phone>/<redacted_phone>", "done"]


def test_signs_between_words_belong_to_no_word_or_to_the_number() -> None:
    after = redact_segment(said("call", "31", "6", "12345678", "now", text="call: +31-6, 12345678... now!"), "nl")
    assert after.text == "call: <redacted_phone>... now!"
    assert told(after) == ["call", "<redacted_phone>", "now"]


def test_words_that_bring_their_spaces_are_found_as_one_number() -> None:
    book = SegmentBook("trk_1", "nl")
    pieces = [" Bel", " 06", "-1234", "5678", "."]
    [heard] = book.heard(
        [Word(text=piece, start_samples=i * 100, end_samples=i * 100 + 90) for i, piece in enumerate(pieces)],
        "nl",
        final=True,
    )
    assert heard.text == "Bel 06-12345678."
    after = redact_segment(heard, "nl")
    assert after.text == "Bel <redacted_phone>."
    assert told(after) == ["Bel", "<redacted_phone>", "."]


def test_words_that_do_not_spell_the_text_are_redacted_all_the_same() -> None:
    numbers = ("oh", "six", "one", "two", "three", "four", "five", "six", "seven", "eight")
    after = redact_segment(said("call", *numbers, text="call 06 12345678"), "en")
    assert after.text == "call <redacted_phone>"
    assert told(after) == ["call", "<redacted_phone>"]
    only_in_words = redact_segment(said("call", *numbers, text="call me"), "en")
    assert (only_in_words.text, told(only_in_words)) == ("call me", ["call", "<redacted_phone>"])
    without_words = redact_segment(said(text="call 06 12345678"), "nl")
    assert (without_words.text, without_words.words) == ("call <redacted_phone>", ())


@given(st.text() | JOINED, st.text() | LANGUAGES)
def test_any_text_in_any_language_is_taken(text: str, language: str | None) -> None:
    once = redact(text, language)
    assert sum(once.counts.values()) >= once.text.count("<redacted_") - text.count("<redacted_")
    assert redact(once.text, language).text == once.text


@given(JOINED, LANGUAGES)
def test_what_is_redacted_stays_as_it_is(text: str, language: str | None) -> None:
    once = redact(text, language)
    again = redact(once.text, language)
    assert again.text == once.text
    assert not again.counts
    spoken = redact_segment(said(*text.split()), language)
    assert redact_segment(spoken, language) is spoken
    assert spoken.text == " ".join(told(spoken))


@given(st.lists(FILLERS, max_size=20).map(" ".join), LANGUAGES)
def test_text_without_digits_and_ats_is_unchanged(text: str, language: str | None) -> None:
    assert redact(text, language).text == text
    whole = said(*text.split())
    assert redact_segment(whole, language) is whole


@given(st.lists(FILLERS | st.sampled_from([text for text, _ in SECRETS]), max_size=12), LANGUAGES)
def test_nothing_of_a_secret_remains(pieces: list[str], language: str | None) -> None:
    secrets = dict(SECRETS)
    # A filler after each: two numbers side by side may be one of another kind.
    parts = [part for piece in pieces for part in ((piece, "Well,") if piece in secrets else (piece,))]
    text = " ".join(parts)
    redaction = redact(text, language)
    expected = " ".join(secrets[part].placeholder if part in secrets else part for part in parts)
    assert redaction.text == expected
    after = redact_segment(said(*text.split()), language)
    assert " ".join(told(after)) == after.text == expected
    starts = [word.start_samples for word in after.words]
    assert starts == sorted(starts)
    assert all(word.start_samples < word.end_samples for word in after.words)


@pytest.mark.parametrize(
    "piece",
    ["a@", "x@a.", "a.", " dot", " x at y dot de", "1.000", "9", "(", "+1 ", "NL91", "1:", "ö̈", " double", "\n"],
)
@pytest.mark.timeout(60)
def test_long_hostile_text_takes_no_longer_for_its_length(piece: str) -> None:
    """What went over the text once for each of its parts would meet the time limit of the tests."""
    text = piece * (50_000 // len(piece))
    assert redact(text + " anna@example.org", "en").text.endswith(" <redacted_email>")
