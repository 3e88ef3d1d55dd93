from __future__ import annotations

import pytest

from protocol.events import Event, EventBody
from server.bus import Deleted, Stored
from server.nodes import outgoing
from server.nodes.outgoing import Outgoing
from tests.server.spoken import final, interim, status


def event(transcript_id: str, seq: int, body: EventBody | None = None) -> Event:
    return Event(transcript_id=transcript_id, seq=seq, at=0.0, body=body or status())


def test_the_newest_of_each_is_told_interims_first() -> None:
    waiting = Outgoing()
    for seq in (1, 3, 2):
        waiting.put(event("a", seq))
    waiting.put(Deleted("b"))
    for text in ("he", "hello"):
        waiting.put(interim("a", "seg_1", text))
    assert len(waiting) == 3
    assert waiting.take(100) == [interim("a", "seg_1", "hello"), Stored("a", 3), Deleted("b")]
    assert waiting.take(100) == []


def test_a_final_takes_the_place_of_its_interim() -> None:
    waiting = Outgoing()
    waiting.put(interim("a", "seg_1"))
    waiting.put(interim("a", "seg_2"))
    waiting.put(event("a", 1, final("seg_1")))
    assert waiting.take(100) == [interim("a", "seg_2"), Stored("a", 1)]


def test_what_was_not_heard_is_told_again_but_for_interims() -> None:
    waiting = Outgoing()
    waiting.put(interim("a"))
    waiting.put(event("a", 1))
    waiting.put(event("b", 1))
    told = waiting.take(100)
    waiting.put(event("a", 2))
    waiting.give_back(told)
    assert waiting.take(1) == [Stored("a", 2)]
    assert waiting.take(1) == [Stored("b", 1)]


def test_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "INTERIMS_MAX", 2)
    monkeypatch.setattr(outgoing, "TRANSCRIPTS_MAX", 2)
    waiting = Outgoing()
    for number in range(4):
        waiting.put(interim("a", f"seg_{number}"))
        waiting.put(event(f"t{number}", 1))
        waiting.put(Deleted(f"d{number}"))
    assert waiting.take(100) == [
        interim("a", "seg_2"),
        interim("a", "seg_3"),
        Stored("t2", 1),
        Stored("t3", 1),
        Deleted("d2"),
        Deleted("d3"),
    ]
    waiting.put(interim("a"))
    waiting.forget_interims()
    assert len(waiting) == 0
