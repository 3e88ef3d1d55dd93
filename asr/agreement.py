"""When words of a re-decoding engine stop changing: what a commit policy is, and ours, LocalAgreement-2.

Words on which two hypotheses in a row agree are committed (Liu et al. 2020; Macháček et al. 2023). Case and punctuation
do not count for agreement and stay in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from asr.guards import fold
from protocol.blocks import MS_SAMPLES
from protocol.words import Word

_ROUGH_SAMPLES = 100 * MS_SAMPLES


class Agreement(NamedTuple):
    """Of one hypothesis: its first ``said`` words were committed before, the next ``agreed`` are committed now.

    The rest may still change.
    """

    said: int
    agreed: int


class CommitPolicy(Protocol):
    """Decides for one utterance which words stop changing."""

    def take(self, committed: Sequence[Word], words: Sequence[Word], from_samples: int) -> Agreement:
        """Take the newest hypothesis, ``words``, of the sound from the track's sample ``from_samples`` on.

        ``committed``: all that this policy had committed before, oldest first, perhaps with better times by now.
        """


class LocalAgreement:
    """The ``CommitPolicy`` of this house: what two hypotheses in a row say alike, word by word.

    A word that one hypothesis splits and the next one joins ("can not", "cannot") waits until two are alike again.
    """

    def __init__(self) -> None:
        self._previous: tuple[str, ...] = ()

    def take(self, committed: Sequence[Word], words: Sequence[Word], from_samples: int) -> Agreement:
        said = already_said(committed, words, from_samples)
        folded = tuple(fold(word) for word in words[said:])
        agreed = 0
        for before, now in zip(self._previous, folded, strict=False):
            if before != now:
                break
            agreed += 1
        self._previous = folded[agreed:]
        return Agreement(said, agreed)


def already_said(committed: Sequence[Word], words: Sequence[Word], from_samples: int) -> int:
    """How many words at the beginning of a hypothesis of the sound from ``from_samples`` on are committed ones.

    The committed words that lie in that sound are looked for by their letters, however these are cut into words, and
    whatever their times. When the engine has thought better of them meanwhile, all is said that begins before they end.
    """
    inside = [word for word in committed if word.start_samples + word.end_samples > 2 * from_samples]
    if not inside:
        return 0
    letters = "".join(fold(word) for word in inside)
    heard = ""
    for count, word in enumerate(words, 1):
        heard += fold(word)
        if heard.startswith(letters):
            return count
    count = 0
    while count < len(words) and _begins_samples(words[count]) < inside[-1].end_samples:
        count += 1
    return count


def _begins_samples(word: Word) -> int:
    """The latest that its sound can be thought to begin, since the times of engines are rough."""
    return word.start_samples + min(_ROUGH_SAMPLES, (word.end_samples - word.start_samples) // 2)
