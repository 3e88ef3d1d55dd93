"""Every pair of states: allowed by the table or refused, and nothing else."""

from __future__ import annotations

import itertools
from enum import StrEnum
from typing import Any

import pytest

from protocol.errors import IllegalMove
from protocol.states import (
    CHUNK_MOVES,
    DELIVERY_MOVES,
    REPORT_MOVES,
    SESSION_MOVES,
    SUMMARY_MOVES,
    TRANSCRIPT_MOVES,
    SessionState,
    TranscriptState,
    diagram,
    move,
)

TABLES: list[dict[Any, frozenset[Any]]] = [
    TRANSCRIPT_MOVES,
    SESSION_MOVES,
    CHUNK_MOVES,
    DELIVERY_MOVES,
    REPORT_MOVES,
    SUMMARY_MOVES,
]
PAIRS = [(table, here, there) for table in TABLES for here, there in itertools.product(table, table)]


@pytest.mark.parametrize(("table", "here", "there"), PAIRS)
def test_every_pair_is_allowed_or_raises(table: dict[Any, frozenset[Any]], here: Any, there: Any) -> None:
    if there in table[here]:
        assert move(table, here, there) is there
        return
    with pytest.raises(IllegalMove) as raised:
        move(table, here, there)
    assert raised.value.details == {
        "state": here.value,
        "asked": there.value,
        "allowed": sorted(state.value for state in table[here]),
    }


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_whole(table: dict[Any, frozenset[Any]]) -> None:
    states: type[StrEnum] = type(next(iter(table)))
    assert set(table) == set(states)
    assert all(there in table and there is not here for here, theres in table.items() for there in theres)


def test_what_people_rely_on() -> None:
    assert SESSION_MOVES[SessionState.CLOSED] == frozenset()
    assert TranscriptState.ENDED not in TRANSCRIPT_MOVES[TranscriptState.RECORDING]  # never past the remaining finals
    assert TranscriptState.RECORDING in TRANSCRIPT_MOVES[TranscriptState.ENDED]
    assert TranscriptState.PROCESSING in TRANSCRIPT_MOVES[TranscriptState.FAILED]


@pytest.mark.parametrize("table", TABLES)
def test_the_diagram_shows_every_move(table: dict[Any, frozenset[Any]]) -> None:
    drawn = diagram(table).splitlines()
    assert drawn[0] == "stateDiagram-v2"
    assert len(drawn) == 1 + sum(len(theres) for theres in table.values())
