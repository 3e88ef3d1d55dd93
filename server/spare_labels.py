"""Labels that nobody has any more after a pass: whoever speaks is ``Speaker 1``, ``2`` and so on, without gaps. Pure.

Live, a mixture of two voices may be taken for somebody, and have a label before the next person has one. Once nobody
speaks any more and the last pass knows better, that label is nobody's, and those behind it move up. What people named,
merged or gave away stays under the label that they know.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import count

from server.speaker_labels import label_of, number_of


@dataclass(frozen=True, slots=True)
class Tidied:
    """``forgotten``: numbers of voices that have no label any more; ``renamed``: the new label of each old one."""

    forgotten: frozenset[int] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)


def tidied(labels: Mapping[int, str], *, heard: Collection[str], kept: Collection[str]) -> Tidied:
    """``labels``: of the voices of one track, by number; ``heard``: those under which something is said on it.
    ``kept``: those that others have, or that people know, which are neither moved nor given away.
    """
    forgotten = frozenset(number for number, label in labels.items() if label not in heard and label not in kept)
    taken = {*heard, *kept}
    renamed: dict[str, str] = {}
    numbered = {number_of(label): label for label in labels.values() if label in heard and label not in kept}
    for number, label in sorted((number, label) for number, label in numbered.items() if number is not None):
        lowest = next(each for each in count(1) if label_of(each) not in taken)
        if lowest < number:
            renamed[label] = label_of(lowest)
            taken = (taken - {label}) | {label_of(lowest)}
    return Tidied(forgotten, renamed)
