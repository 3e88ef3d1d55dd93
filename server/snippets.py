"""A few words around what was found, for people who look through results. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.store.search_words import Term, Token, tokens

SNIPPET_MAX_CHARS = 150
CONTEXT_CHARS = 50  # before the first match


@dataclass(frozen=True, slots=True)
class Snippet:
    """``matches`` are offsets in ``text``; ``at`` is where in the whole text the first match stands."""

    text: str
    matches: tuple[tuple[int, int], ...]
    at: int


def snippet(text: str, terms: Sequence[Term]) -> Snippet:
    """The stretch of ``text`` that holds most matches, the first of such; its beginning when there is none."""
    matches = list(matches_in(text, terms))
    first = max(range(len(matches)), key=lambda i: (_held(matches, i), -i), default=None)
    at = matches[first][0] if first is not None else 0
    begin = _begin(text, max(0, at - CONTEXT_CHARS))
    room = SNIPPET_MAX_CHARS - (begin > 0)
    end = len(text) if len(text) - begin <= room else _end(text, begin, begin + room - 1)
    shown = text[begin:end]
    prefix = "…" if begin else ""
    suffix = "…" if end < len(text) else ""
    # As many characters as before, so that the offsets hold.
    line = "".join(char if char.isprintable() else " " for char in shown)
    held = [(start, stop) for start, stop in matches if start >= begin and stop <= end]
    moved = len(prefix) - begin
    return Snippet(f"{prefix}{line}{suffix}", tuple((start + moved, stop + moved) for start, stop in held), at)


def matches_in(text: str, terms: Sequence[Term]) -> Iterator[tuple[int, int]]:
    """Where any of the terms stands, in order, none overlapping the one before."""
    found = list(tokens(text))
    at = 0
    while at < len(found):
        length = max((len(term.words) for term in terms if _stands(found, at, term)), default=0)
        if length:
            yield found[at].start, found[at + length - 1].end
        at += length or 1


def _stands(found: Sequence[Token], at: int, term: Term) -> bool:
    words = [token.word for token in found[at : at + len(term.words)]]
    if len(words) < len(term.words) or words[:-1] != list(term.words[:-1]):
        return False
    return words[-1].startswith(term.words[-1]) if term.is_prefix else words[-1] == term.words[-1]


def _held(matches: Sequence[tuple[int, int]], first: int) -> int:
    """How many matches a snippet has that begins with this one."""
    begin = matches[first][0]
    last = begin + SNIPPET_MAX_CHARS - CONTEXT_CHARS - 2
    return sum(1 for _, end in matches[first : first + SNIPPET_MAX_CHARS] if end <= last)


def _begin(text: str, at: int) -> int:
    """``at`` or, within a word, where the next one begins; a word without end is cut."""
    if at == 0 or text[at - 1].isspace():
        return at
    space = text.find(" ", at, at + CONTEXT_CHARS)
    return at if space < 0 else space + 1


def _end(text: str, begin: int, at: int) -> int:
    """``at`` or, within a word, the end of the one before."""
    if text[at].isspace():
        return at
    space = text.rfind(" ", max(begin, at - CONTEXT_CHARS), at)
    return at if space < 0 else space
