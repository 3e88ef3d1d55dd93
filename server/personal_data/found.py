"""One stretch of personal data in a text, and which of several that overlap are kept. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

PLACEHOLDER = "<redacted_"
_PLACEHOLDERS = re.compile(rf"{PLACEHOLDER}\w+>")


class Kind(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    CARD = "card"
    ID = "id"

    @property
    def placeholder(self) -> str:
        return f"{PLACEHOLDER}{self.value}>"


def tells(text: str) -> bool:
    """Whether anything is said in it beside placeholders."""
    return any(map(str.isalnum, _PLACEHOLDERS.sub("", text)))


class Found(NamedTuple):
    """``start`` and ``end`` are offsets in the text, in characters. Of two as long the one with more ``proof`` is kept.

    ``proof`` is 0 to 9: how little a number that happens to look alike would pass for it.
    """

    start: int
    end: int
    kind: Kind
    proof: int


def kept(found: Iterable[Found]) -> list[Found]:
    """Those that together cover most of the text, none overlapping another; in order.

    Whatever is left out overlaps one that is kept. One long stretch is kept rather than a shorter one within it, and
    two that stand side by side rather than one that lies across them. ``O(n log n)``.
    """
    ordered = sorted(set(found), key=lambda one: (one.end, one.start, one.proof))
    ends = [one.end for one in ordered]
    before = [bisect_right(ends, one.start) for one in ordered]
    best = [0]
    for number, one in enumerate(ordered):
        best.append(max(best[-1], best[before[number]] + _worth(one)))
    chosen: list[Found] = []
    left = len(ordered)
    while left:
        if best[left] == best[left - 1]:
            left -= 1
        else:
            chosen.append(ordered[left - 1])
            left = before[left - 1]
    return chosen[::-1]


def _worth(one: Found) -> int:
    return 10 * (one.end - one.start) + one.proof
