"""A summary with all that belongs to it (title, topics, action items, key points), as a model is asked for it. Pure."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from protocol.errors import LanguageModelFailed
from protocol.events import Summarised
from server.language_models.prompts import LINES, TOPICS_MAX
from server.language_models.thinking import without_thinking
from server.language_models.word_counts import within_words
from server.store.records import storable
from server.summaries.extract import ACTION_ITEMS_MAX, POINTS_MAX, SENTENCE_MAX_CHARS, TITLE_MAX_CHARS
from server.topics import shortened

WORDS_MAX = 150
TITLE_WORDS = 8


def whole_system() -> str:
    return (
        f"You summarise a talk from its transcript, or from notes on its parts, in the language of the talk. "
        f"{LINES} Say only what was said. Answer with one JSON object and nothing else: "
        f'{{"title": "at most {TITLE_WORDS} words", "summary": "one paragraph of at most {WORDS_MAX} words", '
        f'"topics": ["up to {TOPICS_MAX}"], '
        f'"action_items": ["up to {ACTION_ITEMS_MAX}: what somebody is to do, and who; none if nobody said so"], '
        f'"key_points": ["up to {POINTS_MAX}, the most important first"]}}'
    )


def _texts(value: object) -> object:
    """Small models leave out what there is none of, or answer with one text where a list is wanted, or with an object
    (what, and who) where a text is."""
    if value is None:
        return ()
    values = value if isinstance(value, list) else (value,)
    return tuple(_text(each) for each in values if isinstance(each, str | dict))


def _text(value: str | dict[str, object]) -> str:
    return value if isinstance(value, str) else ", ".join(each for each in value.values() if isinstance(each, str))


_Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class _Answered(BaseModel):
    model_config = ConfigDict(extra="ignore")

    title: str = ""
    summary: str
    topics: _Texts = ()
    action_items: _Texts = ()
    key_points: _Texts = ()


def read_whole(text: str) -> Summarised:
    """Out of an answer to ``whole_system``, of no more than was asked for, whatever the model made of that.

    Raises ``LanguageModelFailed`` for what is no such object.
    """
    text = without_thinking(text)
    try:
        # Many put words or a fence around it.
        found = _Answered.model_validate(json.loads(text[text.index("{") : text.rindex("}") + 1]))
    except (ValueError, RecursionError, ValidationError):
        raise LanguageModelFailed("the language model did not answer in the form that it was asked for") from None
    summary = within_words(_line(found.summary), WORDS_MAX)
    if not summary:
        raise LanguageModelFailed("the language model wrote no summary; try again, or another model")
    return Summarised(
        summary=summary,
        topics=_lines(found.topics, TOPICS_MAX),
        action_items=_lines(found.action_items, ACTION_ITEMS_MAX),
        key_points=_lines(found.key_points, POINTS_MAX),
        title=shortened(_line(found.title), TITLE_MAX_CHARS),
        method="language_model",
    )


def _line(text: str) -> str:
    return " ".join(storable(text).split())


def _lines(texts: tuple[str, ...], count: int) -> tuple[str, ...]:
    lines = (shortened(_line(text), SENTENCE_MAX_CHARS) for text in texts)
    return tuple(dict.fromkeys(filter(None, lines)))[:count]
