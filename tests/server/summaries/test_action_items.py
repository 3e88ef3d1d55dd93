"""Sentences that sound as if somebody is to do something."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.summaries.action_items import action_items


@dataclass(frozen=True)
class Said:
    text: str


def found(*texts: str, count: int = 9) -> list[str]:
    return [each.text for each in action_items([Said(text) for text in texts], count)]


@pytest.mark.parametrize(
    "text",
    [
        "I'll send the offer tomorrow.",
        "I’ll send the offer.",
        "we need to call the plumber",
        "Could you please book a room?",
        "Let's move the meeting.",
        "That is an action item for Anna.",
        "Don't forget the keys.",
        "They have to be told, and we have to tell them.",
        "Wir müssen den Dachdecker anrufen.",
        "Kannst du die Liste schicken?",
        "Il faut que tu appelles la mairie.",
        "Nous devons changer le toit.",
        "Tenemos que llamar al ayuntamiento.",
        "Vamos a comprar pintura.",
    ],
)
def test_what_is_promised_asked_for_or_called_a_task(text: str) -> None:
    assert found("The roof leaks.", text, "We had soup.") == [text]


@pytest.mark.parametrize(
    "text",
    [
        "We'll see.",
        "You will be surprised.",
        "I have to say the soup was good.",
        "Let's say it was Monday.",
        "It rains tomorrow.",
        "Would you believe it?",
        "Willing hands make light work.",
        "",
    ],
)
def test_what_only_sounds_a_little_like_it(text: str) -> None:
    assert found(text) == []


def test_the_clearest_are_kept_in_the_order_they_are_said() -> None:
    weak, strong, due = "We should paint it.", "Make sure you call her.", "I'll call the council by Friday."
    assert found(weak, strong, due, count=2) == [strong, due]
    assert found(weak, strong, due) == [weak, strong, due]


@given(st.lists(st.text(max_size=60), max_size=9), st.integers(0, 5))
def test_of_any_text_it_gives_some_of_what_was_said(texts: list[str], count: int) -> None:
    items = found(*texts, count=count)
    assert len(items) <= count
    rest = iter(texts)
    assert all(item in rest for item in items)
