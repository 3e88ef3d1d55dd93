"""Words for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.words import Word


def said(text: str, start: int = 0, each: int = 4000) -> tuple[Word, ...]:
    return tuple(
        Word(text=word, start_samples=start + i * each, end_samples=start + (i + 1) * each)
        for i, word in enumerate(text.split())
    )


def text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
