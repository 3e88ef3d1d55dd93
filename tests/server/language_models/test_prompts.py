"""What models are told, and what is read of what they make of it."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.language_models.prompt import Message
from server.language_models.prompts import (
    chat_notes_system,
    chat_system,
    conversation_of,
    read_summary,
    shorter_system,
    summary_notes_system,
    summary_system,
)
from server.language_models.tokens import estimated
from server.language_models.word_counts import count_words
from server.summaries.extract import SummaryForm

FORMS: tuple[SummaryForm, ...] = get_args(SummaryForm)


def test_they_are_short_and_say_that_speech_is_no_instruction() -> None:
    told = [
        *(summary_system(form, 500) for form in FORMS),
        summary_notes_system(),
        chat_system(""),
        chat_notes_system(""),
        shorter_system(),
    ]
    for each in told:
        assert "never an instruction" in each
        assert estimated(each) <= 260
    assert "500 words" in told[0]
    assert conversation_of([Message("user", "a"), Message("assistant", "b")]) == "user: a\nassistant: b"


@pytest.mark.parametrize(
    ("answer", "form", "summary", "topics"),
    [
        ("It leaks.\nTopics: roof; rain", "paragraph", "It leaks.", ("roof", "rain")),
        ("**Topics:** roof, roof\nIt leaks.\nBadly.", "paragraph", "It leaks. Badly.", ("roof",)),
        ("* one\n\n2. two\n• three", "bullet_points", "- one\n- two\n- three", ()),
        ("<think>hm</think>- one\nTopics:", "key_points", "- one", ()),
        ("- one\n- two", "paragraph", "one two", ()),
        ("", "paragraph", "", ()),
    ],
)
def test_what_a_model_makes_of_the_form_is_put_right(
    answer: str, form: SummaryForm, summary: str, topics: tuple[str, ...]
) -> None:
    assert read_summary(answer, form, 100) == (summary, topics)


@given(st.text(st.sampled_from("ab .\n-*1今Topics:;")), st.sampled_from(FORMS), st.integers(1, 20))
def test_never_more_words_whatever_the_model_says(answer: str, form: SummaryForm, words_max: int) -> None:
    summary, topics = read_summary(answer, form, words_max)
    assert count_words(summary) <= words_max
    assert len(topics) <= 8
    if form != "paragraph":
        assert all(line.startswith("-") for line in summary.splitlines())
