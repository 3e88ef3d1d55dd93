"""What a model answers when it is asked for a summary with all that belongs to it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LanguageModelFailed
from protocol.events import Summarised
from server.language_models.whole_summary import WORDS_MAX, read_whole
from server.language_models.word_counts import count_words
from server.store.records import NewEvent
from server.summaries.extract import ACTION_ITEMS_MAX, SENTENCE_MAX_CHARS, TITLE_MAX_CHARS

GOOD = {
    "title": "A new roof",
    "summary": "The roof leaks.\nThe council has money.",
    "topics": ["roof", " council ", "roof", ""],
    "action_items": ["Anna calls the council"],
    "key_points": ["It leaks"],
}
READ = Summarised(
    title="A new roof",
    summary="The roof leaks. The council has money.",
    topics=("roof", "council"),
    action_items=("Anna calls the council",),
    key_points=("It leaks",),
    method="language_model",
)


@pytest.mark.parametrize(
    "around", ["%s", "```json\n%s\n```", "Here it is: %s I hope it helps.", "<think>{not this}</think>\n%s"]
)
def test_it_is_read_whatever_stands_around_it(around: str) -> None:
    assert read_whole(around % json.dumps(GOOD)) == READ


def test_what_there_is_none_of_may_be_left_out() -> None:
    found = read_whole('{"summary": "Yes.", "action_items": null, "topics": "roof", "mood": 7}')
    assert found == Summarised(summary="Yes.", topics=("roof",), method="language_model")


@pytest.mark.parametrize(
    "text",
    [
        *("", "no object", "{", '{"summary": 7}', '{"summary": ["x"]}', '{"title": "x"}', '{"summary": " "}'),
        *("[1]", "{" * 100_000 + "}"),
    ],
)
def test_what_is_no_such_object_is_refused(text: str) -> None:
    with pytest.raises(LanguageModelFailed):
        read_whole(text)


def test_it_is_never_more_than_was_asked_for() -> None:
    long = "word " * 10_000
    many = [f"{at} {long}" for at in range(99)]
    found = read_whole(json.dumps({"title": long, "summary": long, "action_items": many}))
    assert count_words(found.summary) == WORDS_MAX
    assert len(found.title) <= TITLE_MAX_CHARS
    assert len(found.action_items) == ACTION_ITEMS_MAX
    assert all(len(each) <= SENTENCE_MAX_CHARS for each in found.action_items)


def test_lists_of_other_things_are_read_as_far_as_they_say_something() -> None:
    items = [{"task": "Call the council", "who": "Anna", "done": False}, 7, None, "Buy slates"]
    found = read_whole(json.dumps({"summary": "x", "action_items": items, "topics": {"first": "roof"}}))
    assert found.action_items == ("Call the council, Anna", "Buy slates")
    assert found.topics == ("roof",)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_MAYBE_SUMMARIES = st.fixed_dictionaries(
    {"summary": st.text(st.characters(), min_size=1)},
    optional=dict.fromkeys(("title", "topics", "action_items", "key_points"), _JSON),
)


@given(_MAYBE_SUMMARIES)
def test_any_answer_is_read_so_that_it_can_be_written_down_or_refused(answer: dict[str, Any]) -> None:
    with contextlib.suppress(LanguageModelFailed):
        found = read_whole(json.dumps(answer))
        assert found.summary
        assert NewEvent.of("tr_1", found).body


def test_halves_of_letters_are_left_out() -> None:
    found = read_whole('{"summary": "A \\ud800roof", "title": "\\udc00"}')
    assert NewEvent.of("tr_1", found).body
    assert found.summary == "A ?roof"
