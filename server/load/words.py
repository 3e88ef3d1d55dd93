"""Words that were lost: what should have been said against what was understood, round by round. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass
class Loss:
    """Counts of words. ``changed``: another one stands in its place."""

    expected: int = 0
    missing: int = 0
    added: int = 0
    changed: int = 0

    @property
    def is_any(self) -> bool:
        return bool(self.missing or self.added or self.changed)

    def __iadd__(self, other: Loss) -> Loss:
        self.expected += other.expected
        self.missing += other.missing
        self.added += other.added
        self.changed += other.changed
        return self


def in_text(text: str) -> tuple[str, ...]:
    """Its words in lower case, without what is no word."""
    return tuple(_WORD.findall(text.lower()))


def compare(expected: Sequence[str], got: Sequence[str]) -> Loss:
    """Every word counts: where there are as many, but others, they are ``changed``."""
    loss = Loss(expected=len(expected))
    if list(expected) == list(got):
        return loss
    for kind, a, b, c, d in SequenceMatcher(None, expected, got, autojunk=False).get_opcodes():
        if kind != "equal":
            changed = min(b - a, d - c)
            loss += Loss(0, b - a - changed, d - c - changed, changed)
    return loss


def by_round(words: Iterable[tuple[str, float]], round_s: float, rounds: int, pause_s: float) -> list[list[str]]:
    """Words with the second at which they begin on the track, as lists of one a round.

    Rounds part in the middle of the pause between them, so a time that is somewhat off does no harm.
    """
    found: list[list[str]] = [[] for _ in range(rounds)]
    for text, start_s in sorted(words, key=lambda word: word[1]):
        number = int((start_s + pause_s / 2) // round_s)
        found[min(max(number, 0), rounds - 1)] += in_text(text)
    return found
