"""Numbers of speakers without gaps, and what people know left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.spare_labels import Tidied, tidied

LABELS = st.dictionaries(st.integers(1, 9), st.sampled_from([*(f"Speaker {i}" for i in range(1, 9)), "Ann"]))
SOME = st.sets(st.sampled_from([*(f"Speaker {i}" for i in range(1, 9)), "Ann"]))


def test_those_behind_a_gap_move_up_in_their_order() -> None:
    labels = {1: "Speaker 2", 2: "Speaker 3", 103: "Speaker 4"}
    found = tidied(labels, heard={"Speaker 1", "Speaker 3", "Speaker 4"}, kept={"Speaker 1"})
    assert found == Tidied(frozenset({1}), {"Speaker 3": "Speaker 2", "Speaker 4": "Speaker 3"})
    assert list(found.renamed) == ["Speaker 3", "Speaker 4"]  # each after the one whose place it takes


def test_what_people_know_stays_and_nobody_gets_it() -> None:
    labels = {1: "Speaker 2", 2: "Speaker 3", 3: "Speaker 5", 4: "Ann"}
    found = tidied(labels, heard={"Speaker 3", "Speaker 5", "Ann"}, kept={"Speaker 1", "Speaker 2", "Speaker 3"})
    assert found == Tidied(frozenset(), {"Speaker 5": "Speaker 4"})


def test_without_gaps_nothing_is_done() -> None:
    assert tidied({1: "Speaker 2"}, heard={"Speaker 1", "Speaker 2"}, kept={"Speaker 1"}) == Tidied()
    assert tidied({}, heard={"Speaker 4"}, kept={"Speaker 4"}) == Tidied()


@given(labels=LABELS, heard=SOME, kept=SOME)
def test_no_two_become_one_and_it_is_done_at_once(labels: dict[int, str], heard: set[str], kept: set[str]) -> None:
    found = tidied(labels, heard=heard, kept=kept)
    left = {number: label for number, label in labels.items() if number not in found.forgotten}
    after = {number: found.renamed.get(label, label) for number, label in left.items()}
    assert len(set(after.values())) == len(set(left.values()))
    assert not set(found.renamed) & kept
    assert not set(found.renamed.values()) & kept
    heard_after = {found.renamed.get(label, label) for label in heard}
    assert len(heard_after) == len(heard)
    assert tidied(after, heard=heard_after, kept=kept) == Tidied()
