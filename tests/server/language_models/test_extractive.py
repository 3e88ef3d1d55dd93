"""What is said without a model: whole sentences, no more words than were asked for, and that it only quotes."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.language_models.extractive import (
    EXTRACTIVE,
    NOTHING_FITS,
    ONLY_QUOTES,
    answer_pieces,
    passages_for,
    summary_of,
    topics_in,
)
from server.language_models.lines import Line
from server.language_models.prompt import Answer
from server.language_models.tokens import estimated
from server.summaries.extract import SummaryForm
from tests.server.language_models.talks import ROOF, TALKS, lines

FORMS: tuple[SummaryForm, ...] = get_args(SummaryForm)


def test_the_three_forms() -> None:
    talk = lines(*ROOF)
    paragraph, bullets, key_points = (summary_of(talk, form, 500) for form in FORMS)
    assert paragraph.text == f"{ROOF[3]} {ROOF[5]}"
    assert bullets.text == f"- {ROOF[3]}\n- {ROOF[5]}"
    assert sorted(key_points.text.splitlines()) == sorted(bullets.text.splitlines())
    assert (paragraph.model, paragraph.length) == (EXTRACTIVE, 19)
    assert set(topics_in(talk)) >= {"roof", "school", "council"}
    assert paragraph.topics == topics_in(talk)


@pytest.mark.parametrize("form", FORMS)
@given(TALKS, st.integers(1, 60))
def test_never_more_words_than_were_asked_for(form: SummaryForm, talk: list[Line], words_max: int) -> None:
    assert summary_of(talk, form, words_max).length <= words_max


@pytest.mark.parametrize("form", FORMS)
def test_of_nothing_there_is_nothing(form: SummaryForm) -> None:
    assert summary_of([], form, 100).text == ""
    assert summary_of(lines("Roof."), form, 100).text.endswith("Roof.")


def test_the_passages_that_fit_a_question() -> None:
    talk = lines(*ROOF)
    assert [line.number for line in passages_for(talk, "Did anybody like the soup?", 2)] == [5, 2]
    *pieces, answer = answer_pieces(talk, "What of the SOUP?", 500)
    assert isinstance(answer, Answer)
    assert answer.text == "".join(map(str, pieces))
    assert answer.text.startswith(ONLY_QUOTES)
    assert "[00:00:10] Anna: We had soup for lunch." in answer.text
    assert (answer.usage.is_estimated, answer.usage.completion) == (True, estimated(answer.text))
    *_, nothing = answer_pieces(talk, "Quid?", 500)
    assert isinstance(nothing, Answer)
    assert nothing.text == NOTHING_FITS


def test_words_that_stand_in_every_question_pull_nothing_in() -> None:
    talk = lines(*ROOF)
    assert [line.number for line in passages_for(talk, "What do they say there of the soup and of all that?", 5)] == [
        5,
        2,
    ]


@given(TALKS, st.integers(1, 200))
def test_never_more_tokens_than_were_asked_for(talk: list[Line], tokens: int) -> None:
    *_, answer = answer_pieces(talk, "a b 今 é", tokens)
    assert isinstance(answer, Answer)
    assert answer.usage.completion <= tokens
