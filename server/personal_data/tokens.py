"""Text cut into words and signs, as personal data is looked for in it. Pure; linear in the text."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

# Letters of languages that put spaces between words, and digits; of others each letter stands for itself, so that a
# number in the midst of them can be told from them.
_LETTERS = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u052f\u1e00-\u1eff"
_TOKEN = re.compile(rf"([0-9_{_LETTERS}]+)|\S")
_FULL_WIDTH_FIRST, _FULL_WIDTH_LAST, _FULL_WIDTH_SHIFT = "\uff01", "\uff5e", 0xFEE0

_DIGIT_WORDS_TEXT = """
    zero oh o one two three four five six seven eight nine
    null - - eins zwei drei vier fünf sechs sieben acht neun
    zéro - - un deux trois quatre cinq six sept huit neuf
    cero - - uno dos tres cuatro cinco seis siete ocho nueve
    nul - - een twee drie vier vijf zes zeven acht negen
    - - - één zwo - - - - - - niner
"""
DIGIT_WORDS = {
    word: str(max(0, place - 2))
    for line in _DIGIT_WORDS_TEXT.strip().splitlines()
    for place, word in enumerate(line.split())
    if word != "-"
}


class Token(NamedTuple):
    """A word in small letters, or one sign or other letter; ``start`` and ``end`` are offsets in characters."""

    text: str
    start: int
    end: int
    is_word: bool

    @property
    def is_number(self) -> bool:
        return self.text.isdigit() or self.text in DIGIT_WORDS


def plain(text: str) -> str:
    """``text`` with ASCII for all decimal digits and full-width signs: as long, so that offsets stay."""
    return text if text.isascii() else "".join(_plain(char) for char in text)


def tokens(text: str) -> list[Token]:
    """Of a plain text, in order. All that is not space is in one of them."""
    return [
        Token(match[0].lower(), match.start(), match.end(), match[1] is not None) for match in _TOKEN.finditer(text)
    ]


def _plain(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if _FULL_WIDTH_FIRST <= char <= _FULL_WIDTH_LAST:
        return chr(ord(char) - _FULL_WIDTH_SHIFT)
    return char
