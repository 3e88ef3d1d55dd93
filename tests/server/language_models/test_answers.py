"""What a language model's server answers: read, or refused as an error that says so; never anything else."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LanguageModelFailed, LanguageModelRefused
from server.language_models.answers import StreamedAnswer, model_ids, whole_answer
from server.language_models.prompt import Answer
from tests.fuzz.test_parsers import JSON
from tests.server.language_models.asking import QUESTION

SAID = JSON | st.fixed_dictionaries({}, optional={"content": JSON, "refusal": JSON})
CHOICE = JSON | st.fixed_dictionaries({}, optional={"message": SAID, "delta": SAID, "finish_reason": JSON})
USAGE = JSON | st.fixed_dictionaries({"prompt_tokens": JSON, "completion_tokens": JSON})
BODIES = JSON | st.fixed_dictionaries(
    {}, optional={"choices": JSON | st.lists(CHOICE, max_size=2), "usage": USAGE, "error": JSON, "data": JSON}
)


@given(BODIES.map(json.dumps) | st.text())
def test_anything_at_all_is_read_or_refused(body: str) -> None:
    streamed = StreamedAnswer(QUESTION)
    data = body.encode("utf-8", "replace")
    for read in (lambda: model_ids(data), lambda: whole_answer(QUESTION, data), lambda: streamed.take(body)):
        with contextlib.suppress(LanguageModelFailed):
            read()
    with contextlib.suppress(LanguageModelFailed):
        assert isinstance(streamed.answer(), Answer)


def test_a_refusal_is_one_whatever_else_it_says() -> None:
    for said, reason in (({"content": "x", "refusal": "no"}, "stop"), ({"content": "x"}, "content_filter")):
        with pytest.raises(LanguageModelRefused):
            whole_answer(QUESTION, json.dumps({"choices": [{"message": said, "finish_reason": reason}]}).encode())
        with pytest.raises(LanguageModelRefused):
            StreamedAnswer(QUESTION).take(json.dumps({"choices": [{"delta": said, "finish_reason": reason}]}))


def test_an_answer_that_ended_without_saying_so_is_not_whole() -> None:
    streamed = StreamedAnswer(QUESTION)
    assert streamed.take('{"choices": [{"delta": {"content": "It was"}}]}') == "It was"
    with pytest.raises(LanguageModelFailed, match="in the middle"):
        streamed.answer()
    assert streamed.take(" [DONE] ") == ""
    assert streamed.answer().text == "It was"
