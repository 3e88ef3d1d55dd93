"""Parts: all of it, in order, each within its bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.language_models.lines import Line
from server.language_models.parts import groups_of, parts_of
from server.language_models.tokens import estimated
from tests.server.language_models.talks import TALKS, lines


def letters(talk: list[Line]) -> str:
    return "".join("".join(line.text for line in talk).split())


@given(TALKS, st.integers(20, 120))
def test_nothing_is_left_out_and_none_is_too_long(talk: list[Line], tokens_max: int) -> None:
    parts = parts_of(talk, tokens_max)
    assert letters([line for part in parts for line in part]) == letters(talk)
    numbers = [line.number for part in parts for line in part]
    assert numbers == sorted(numbers)
    for part in parts:
        assert part
        assert estimated("\n".join(line.shown for line in part)) <= tokens_max


def test_as_few_as_may_be_and_a_long_line_keeps_its_time() -> None:
    talk = lines("one two three", "x" * 400, "four")
    assert len(parts_of(talk, 10_000)) == 1
    cut = parts_of(talk, 60)
    assert {line.start_samples for part in cut for line in part if line.number == 2} == {160_000}
    assert parts_of([], 60) == []


@given(st.lists(st.text(max_size=30), max_size=12), st.integers(1, 30))
def test_texts_are_grouped_in_order(texts: list[str], tokens_max: int) -> None:
    groups = groups_of(texts, tokens_max)
    assert [text for group in groups for text in group] == texts
    for group in groups:
        assert len(group) == 1 or estimated("\n\n".join(group)) <= tokens_max
