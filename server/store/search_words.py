"""The words of a text as a search sees them, the same for what is kept and for what is asked. Pure.

A word is a run of letters and digits, without its accents and in lower case. Scripts that put no spaces between words
(Chinese, Japanese, Thai and their like) give a word for each letter: what stands in a row is asked for as a phrase.

The databases index these words and nothing of their own: each is spelled in ASCII letters and digits first, so that
two of them, whatever they think of languages, find the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

WORD_MAX_CHARS = 40  # what is longer is known by its beginning
INDEXED_MAX_WORDS = 10_000  # of one passage; PostgreSQL counts places no further than 16 383
TERMS_MAX = 8  # of one query; those after them are not asked for
PHRASE_MAX_WORDS = 16

_ASCII_WORD = re.compile("[A-Za-z0-9]+")
# Letters that Unicode does not take apart, though people who type plain letters mean them.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe"})
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word and where it stands in the text."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """Words that must stand in a row. ``is_prefix``: the last of them may go on."""

    words: tuple[str, ...]
    is_prefix: bool = False


def tokens(text: str) -> Iterator[Token]:
    if text.isascii():
        for match in _ASCII_WORD.finditer(text):
            yield Token(match[0].lower()[:WORD_MAX_CHARS], match.start(), match.end())
        return
    word, start, end = "", 0, 0
    for at, char in enumerate(text):
        folded, is_letter, is_alone = _fold(char)
        if word and (is_alone or not (is_letter or folded is None)):
            yield Token(word[:WORD_MAX_CHARS], start, end)
            word = ""
        if is_letter and folded:
            start = start if word else at
            word += folded
        if word:
            end = at + 1
            if is_alone and not _goes_on(text, end):
                yield Token(word[:WORD_MAX_CHARS], start, end)
                word = ""
    if word:
        yield Token(word[:WORD_MAX_CHARS], start, end)


def _goes_on(text: str, at: int) -> bool:
    """Whether what stands at ``at`` belongs to the letter before it."""
    return at < len(text) and unicodedata.category(text[at]).startswith("M")


@lru_cache(maxsize=8192)
def _fold(char: str) -> tuple[str | None, bool, bool]:
    """What becomes of a character; whether it is part of a word; whether it is a word by itself.

    None: an accent, which leaves nothing and ends nothing.
    """
    category = unicodedata.category(char)
    if unicodedata.combining(char) or category == "Cf":
        return None, False, False
    if category[0] not in "LNM":
        return "", False, False
    taken_apart = unicodedata.normalize("NFKD", char)
    bare = "".join(part for part in taken_apart if not unicodedata.combining(part))
    folded = unicodedata.normalize("NFC", bare).casefold().translate(_PLAIN)
    folded = "".join(part for part in folded if unicodedata.category(part)[0] in "LNM")
    is_alone = category[0] == "L" and any(first <= ord(char) <= last for first, last in _UNSPACED)
    return folded, bool(folded), is_alone


def spelled(word: str) -> str:
    """In ASCII letters and digits, beginning with a letter; a word's beginning is spelled as the beginning of it."""
    return f"w{word}" if word.isascii() else f"x{word.encode().hex()}"


def indexed(text: str) -> str:
    """What the database indexes of ``text``."""
    words: list[str] = []
    for token in tokens(text):
        words.append(spelled(token.word))
        if len(words) == INDEXED_MAX_WORDS:
            break
    return " ".join(words)


def parse_query(query: str) -> list[Term]:
    """Every term must be found: words, "phrases in quotes", and the beginning of the last word unless it is quoted."""
    found: list[Term] = []
    parts = query.split('"')
    for number, part in enumerate(parts):
        if number % 2:
            found.append(_term(part))
        else:
            found += [_term(chunk) for chunk in part.split()]
    if len(parts) % 2 and parts[-1].split() and found:
        found[-1] = Term(found[-1].words, is_prefix=True)
    return _useful(found)


def _term(text: str) -> Term:
    return Term(tuple(token.word for token in tokens(text))[:PHRASE_MAX_WORDS])


def _useful(terms: Iterable[Term]) -> list[Term]:
    """Each once, without those that have no words; no more than may be asked for."""
    return list(dict.fromkeys(term for term in terms if term.words))[:TERMS_MAX]
