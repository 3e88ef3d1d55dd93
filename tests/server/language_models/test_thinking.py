"""Thoughts, and answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.language_models.thinking import Thinking, without_thinking


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes.", "Yes."),
        ("<think>hm, <b></think>\n\nYes.", "Yes."),
        ("\n<think>\nhm", ""),
        ("<think></think>", ""),
        ("Say <think>.", "Say <think>."),
        ("<thin", "<thin"),
        ("", ""),
    ],
)
def test_what_is_left(text: str, answer: str) -> None:
    assert without_thinking(text) == answer


@given(st.lists(st.sampled_from(["<think>", "</think>", "<thi", "nk>", " ", "Yes", "\n", "<"])))
def test_the_same_in_pieces(pieces: list[str]) -> None:
    thinking = Thinking()
    told = "".join(map(thinking.feed, pieces)) + thinking.rest()
    assert told.strip() == without_thinking("".join(pieces))
