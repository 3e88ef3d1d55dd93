"""How many words a text has, and texts cut to so many of them. Pure.

A word is what stands between spaces and has a letter or a digit in it. In scripts that put no spaces between words
(Chinese, Japanese, Thai and their like) each letter counts for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}\U00020000-\U0003ffff]|[^\s{_UNSPACED}\U00020000-\U0003ffff]+")
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”»)\]]*(?=\s|$)|[。！？]+|\n|$)\s*", re.DOTALL)


def words_of(text: str) -> Iterator[re.Match[str]]:
    return (found for found in _WORD.finditer(text) if any(char.isalnum() for char in found[0]))


def count_words(text: str) -> int:
    return sum(1 for _ in words_of(text))


def within_words(text: str, words_max: int) -> str:
    """The sentences, or lines, at the beginning that have so many words at most together; of the first one, if it alone
    has more, the first words and an ellipsis."""
    text = text.strip()
    left = words_max
    end = 0
    for sentence in _SENTENCE.finditer(text):
        left -= count_words(sentence[0])
        if left < 0:
            break
        end = sentence.end()
    if text[:end].strip():
        return text[:end].rstrip()
    last = None
    for number, word in enumerate(words_of(text), start=1):
        if number > words_max:
            return text[: last.end()] + "…" if last is not None else ""
        last = word
    return text
