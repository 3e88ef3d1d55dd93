"""When words of a re-decoding engine stop changing.

LocalAgreement-2 (Liu et al. 2020, Macháček et al. 2023): words on which two hypotheses in a row agree are committed.
Case and punctuation do not count for agreement and stay in the text.
"""

from __future__ import annotations

from collections.abc import Sequence

from asr.guards import fold
from protocol.words import Word


def agreed(previous: Sequence[Word], current: Sequence[Word]) -> int:
    """How many words at the beginning of both are the same."""
    count = 0
    for a, b in zip(previous, current, strict=False):
        if fold(a) != fold(b):
            break
        count += 1
    return count
