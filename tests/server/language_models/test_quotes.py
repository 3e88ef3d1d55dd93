"""What an answer cites."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.language_models.lines import Line
from server.language_models.quotes import quoted, times_in
from tests.server.language_models.talks import TALKS, lines


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        ("It leaks [00:01:02].", [62]),
        ("[01:02] and [1:00:00]", [62, 3600]),
        ("[00:00:01, 00:00:02] [00:00:05-00:00:09]", [1, 2, 5, 9]),
        ("at 00:01:02, not cited; [see 3]; [12:34:56:78]", []),
        ("", []),
    ],
)
def test_times_in_brackets(answer: str, times: list[int]) -> None:
    assert list(times_in(answer)) == times


def test_what_began_then_or_went_on_then_each_once_in_the_order_of_citing() -> None:
    talk = lines("zero", "ten", "twenty")
    answer = "First [00:00:20], then [00:00:05] and [00:00:00]; again [00:00:20]; never [00:00:31]."
    assert [line.text for line in quoted(answer, talk)] == ["twenty", "zero"]
    both = [*lines("one"), Line(2, 0, 16_000, "Bert", "two"), Line(3, None, None, "", "without a time")]
    assert {line.number for line in quoted("[00:00:00]", both)} == {1, 2}
    assert quoted("[00:00:00]", []) == []


@given(TALKS, st.text())
def test_any_answer_quotes_only_what_is_there(talk: list[Line], answer: str) -> None:
    assert all(line in talk for line in quoted(answer, talk))
