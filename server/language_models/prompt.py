"""What a language model is asked and what it answers, as everything here passes it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from server.language_models.tokens import MESSAGE_TOKENS, estimated

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str

    @property
    def tokens(self) -> int:
        """Estimated."""
        return estimated(self.content) + MESSAGE_TOKENS


@dataclass(frozen=True, slots=True)
class Prompt:
    """``answer_tokens``: so many the answer may have."""

    model: str
    messages: tuple[Message, ...]
    answer_tokens: int
    temperature: float

    @property
    def tokens(self) -> int:
        """Of the messages; estimated."""
        return sum(message.tokens for message in self.messages)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens; ``is_estimated``: the server did not count them, or not all."""

    prompt: int
    completion: int
    is_estimated: bool = False

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt, self.completion + other.completion, self.is_estimated or other.is_estimated
        )


NO_USAGE = Usage(0, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """``is_whole``: it did not end for want of tokens."""

    text: str
    usage: Usage
    is_whole: bool = True


def counted(prompt: Prompt, text: str) -> Usage:
    """Where the server counted nothing."""
    return Usage(prompt.tokens, estimated(text), is_estimated=True)
