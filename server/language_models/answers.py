"""What an API like OpenAI's answers, read as far as we need it and believed no further. Pure.

Raises ``LanguageModelFailed`` for what is not as it should be, and ``LanguageModelRefused`` where the model, or a
filter of its provider, would not answer.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocol.errors import LanguageModelFailed, LanguageModelRefused
from server.language_models.prompt import Answer, Prompt, Usage, counted

MODELS_MAX = 2000
MODEL_MAX_CHARS = 200
TEXT_MAX_CHARS = 400_000  # of one answer: more than any model gives

NONSENSE = "the language model's server answered what cannot be understood; is llm_base_url the address of such an API?"


class _Theirs(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Model(_Theirs):
    id: str = Field(min_length=1)


class _ModelList(_Theirs):
    data: list[_Model]


class _Said(_Theirs):
    """A message, or a piece of one."""

    content: str | None = None
    refusal: str | None = None


class _Usage(_Theirs):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Choice(_Theirs):
    message: _Said
    finish_reason: str | None = None


class _Completion(_Theirs):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _PieceChoice(_Theirs):
    delta: _Said = Field(default_factory=_Said)
    finish_reason: str | None = None


class _Piece(_Theirs):
    choices: list[_PieceChoice] = Field(default_factory=list)
    usage: _Usage | None = None
    error: object = None


M = TypeVar("M", bound=_Theirs)


def model_ids(body: bytes) -> tuple[str, ...]:
    """The models of an answer to ``GET /models``, in its order; each once."""
    found = [each.id for each in _read(_ModelList, body).data if len(each.id) <= MODEL_MAX_CHARS]
    return tuple(dict.fromkeys(found))[:MODELS_MAX]


def whole_answer(prompt: Prompt, body: bytes) -> Answer:
    """The answer to ``POST /chat/completions``."""
    completion = _read(_Completion, body)
    choice = completion.choices[0]
    _check(choice.message, choice.finish_reason)
    text = choice.message.content or ""
    return _answer(prompt, text, completion.usage, choice.finish_reason)


class StreamedAnswer:
    """The same in pieces: ``take`` the data of each event, then ask for the ``answer``."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._texts: list[str] = []
        self._chars = 0
        self._usage: _Usage | None = None
        self._finish_reason: str | None = None
        self.is_done = False  # the server says that nothing follows

    def take(self, data: str) -> str:
        """The text that came with it, which may be empty."""
        if data.strip() == "[DONE]":
            self.is_done = True
            return ""
        piece = _read(_Piece, data)
        if piece.error is not None:
            raise LanguageModelFailed("the language model's server broke off its answer with an error of its own")
        self._usage = piece.usage or self._usage
        text = ""
        for choice in piece.choices[:1]:
            _check(choice.delta, choice.finish_reason)
            text = choice.delta.content or ""
            self._finish_reason = choice.finish_reason or self._finish_reason
        self._chars += len(text)
        if self._chars > TEXT_MAX_CHARS:
            raise LanguageModelFailed("the language model's server answered more than could be an answer")
        if text:
            self._texts.append(text)
        return text

    def answer(self) -> Answer:
        if not self.is_done and self._finish_reason is None:
            raise LanguageModelFailed("the language model's server ended its answer in the middle; try again")
        return _answer(self._prompt, "".join(self._texts), self._usage, self._finish_reason)


def _answer(prompt: Prompt, text: str, usage: _Usage | None, finish_reason: str | None) -> Answer:
    is_whole = finish_reason != "length"
    if not text.strip():
        why = "" if is_whole else ": all its tokens went before the first word; ask for more, or raise max_tokens"
        raise LanguageModelFailed(f"the language model answered nothing{why}")
    known = None if usage is None else Usage(usage.prompt_tokens, usage.completion_tokens)
    return Answer(text, known or counted(prompt, text), is_whole)


def _check(said: _Said, finish_reason: str | None) -> None:
    if said.refusal or finish_reason == "content_filter":
        raise LanguageModelRefused("the language model, or a filter of its provider, would not answer this")


def _read(model: type[M], body: bytes | str) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError:
        # Not chained: its text holds what was said.
        raise LanguageModelFailed(NONSENSE) from None
