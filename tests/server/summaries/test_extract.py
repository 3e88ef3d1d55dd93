"""A summary of sentences that were said, which says that it is one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.summaries.extract import (
    SENTENCE_MAX_CHARS,
    TITLE_MAX_CHARS,
    Extract,
    Sentence,
    extract,
    joined,
    sentences_of,
)
from tests.server.test_topics import speech

TALK = (
    "Good morning and welcome.",
    "The roof of the school leaks when it rains.",
    "So the school needs a new roof before winter.",
    "My cousin had soup.",
    "The council has money for the school roof in the winter budget.",
    "Okay.",
)


def said(*texts: str) -> list[Sentence]:
    return list(sentences_of(speech(*texts), {}))


def test_the_sentences_that_stand_for_the_talk_in_the_order_they_were_said() -> None:
    found = extract(said(*TALK), points_max=3)
    assert found.paragraph == f"{TALK[1]} {TALK[2]} {TALK[4]}"
    assert set(found.key_points) == {TALK[1], TALK[2], TALK[4]}
    assert found.topics[:2] == ("school", "roof")
    assert found.title.startswith("School, roof")
    assert extract(said(*TALK), points_max=3) == found


def test_what_was_taken_out_is_no_topic() -> None:
    mail, call = "Write to <redacted_email>, please.", "Or call <redacted_phone>."
    found = extract(said(mail, call, mail, "Trees would be good, trees and benches."))
    assert "trees" in {topic.lower() for topic in found.topics}
    assert not any("redacted" in text.lower() for text in (*found.topics, found.title))
    assert extract(said("<redacted_email>", "<redacted_phone>!")).title == ""


def test_it_says_that_it_is_extractive_and_has_the_forms_that_are_asked_for() -> None:
    found = extract(said(*TALK), points_max=3)
    event = found.event()
    assert (event.method, event.summary, event.topics) == ("extractive", found.paragraph, found.topics)
    assert (event.title, event.action_items) == (found.title, ())
    assert found.text("paragraph") == found.paragraph
    assert found.text("bullet_points").splitlines() == [f"- {TALK[at]}" for at in (1, 2, 4)]
    assert sorted(found.text("key_points").splitlines()) == sorted(f"- {TALK[at]}" for at in (1, 2, 4))


def test_speech_without_punctuation_is_told_with_its_pauses() -> None:
    assert (
        joined(["the roof leaks", "it rains.", "we know", "cut…", "so"])
        == "the roof leaks … it rains. we know … cut… so"
    )
    assert joined([]) == ""


def test_what_sounds_like_a_task_is_an_action_item() -> None:
    found = extract(said(*TALK, "I will call the council by Friday."))
    assert found.event().action_items == ("I will call the council by Friday.",)


def test_little_is_its_own_summary_and_nothing_has_none() -> None:
    assert extract([]) == Extract("", (), ())
    short = extract(said("Yes.", "No, not that."))
    assert (short.title, short.paragraph, short.topics) == ("Yes.", "Yes. No, not that.", ())
    one = extract(said("Traffic."))
    assert (one.title, one.paragraph, one.topics) == ("Traffic", "Traffic.", ("Traffic",))


@given(st.lists(st.text(min_size=1, max_size=80), max_size=12))
def test_nothing_is_said_that_was_not_said(texts: list[str]) -> None:
    spoken = said(*(text for text in texts if text.strip() and text.split()))
    found = extract(spoken)
    assert all(point in {each.text for each in spoken} for point in (each.text for each in found.points))
    assert bool(found.points) is bool(spoken)
    assert len(found.title) <= TITLE_MAX_CHARS + 1
    assert all(len(point) <= SENTENCE_MAX_CHARS + 1 for point in found.key_points)
    assert "\n" not in found.title + found.paragraph
