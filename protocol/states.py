"""The state machines, as literal tables. Everything that decides what may follow what lives here.

``move`` is the only way to go from one state to another: it returns the new state, or raises ``IllegalMove`` when the
table has no such move. The docs draw their diagrams from these tables (``python -m protocol.states``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from protocol.errors import IllegalMove


class TranscriptState(StrEnum):
    IDLE = "idle"
    RECORDING = "recording"
    PAUSED = "paused"
    PROCESSING = "processing"
    ENDED = "ended"
    FAILED = "failed"


UNFINISHED = (TranscriptState.RECORDING, TranscriptState.PAUSED, TranscriptState.PROCESSING)
OVER = (TranscriptState.ENDED, TranscriptState.FAILED)  # until somebody resumes it


class SessionState(StrEnum):
    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    RESUMING = "resuming"
    CLOSED = "closed"


class ChunkState(StrEnum):
    ANNOUNCED = "announced"
    UPLOADED = "uploaded"
    CONFIRMED = "confirmed"
    TRANSCRIBED = "transcribed"
    FAILED = "failed"
    DELETED = "deleted"


class DeliveryState(StrEnum):
    """Of one event to one webhook."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class ReportState(StrEnum):
    QUEUED = "queued"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


class SummaryState(StrEnum):
    """Of a summary that somebody asked for."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


S = TypeVar("S", TranscriptState, SessionState, ChunkState, DeliveryState, ReportState, SummaryState)
Table = dict[S, frozenset[S]]

_T, _S, _C, _D, _R, _Y = TranscriptState, SessionState, ChunkState, DeliveryState, ReportState, SummaryState

TRANSCRIPT_MOVES: Table[TranscriptState] = {
    _T.IDLE: frozenset({_T.RECORDING, _T.PROCESSING, _T.FAILED}),
    _T.RECORDING: frozenset({_T.PAUSED, _T.PROCESSING, _T.FAILED}),
    _T.PAUSED: frozenset({_T.RECORDING, _T.PROCESSING, _T.FAILED}),
    # Back to recording: a source attached again while the rest was still being worked through.
    _T.PROCESSING: frozenset({_T.RECORDING, _T.ENDED, _T.FAILED}),
    # Processing again: re-transcribed, or a late chunk. Recording again: somebody goes on speaking.
    _T.ENDED: frozenset({_T.RECORDING, _T.PROCESSING, _T.FAILED}),
    # A failed transcript keeps its sound, so both ways on stay open.
    _T.FAILED: frozenset({_T.RECORDING, _T.PROCESSING}),
}

SESSION_MOVES: Table[SessionState] = {
    # Resuming at once: found after a restart, its source may come back.
    _S.CONNECTING: frozenset({_S.LIVE, _S.STALLED, _S.RESUMING, _S.CLOSED}),
    _S.LIVE: frozenset({_S.STALLED, _S.RESUMING, _S.CLOSED}),
    _S.STALLED: frozenset({_S.LIVE, _S.RESUMING, _S.CLOSED}),
    _S.RESUMING: frozenset({_S.LIVE, _S.CLOSED}),
    _S.CLOSED: frozenset(),
}

CHUNK_MOVES: Table[ChunkState] = {
    _C.ANNOUNCED: frozenset({_C.UPLOADED, _C.FAILED, _C.DELETED}),
    _C.UPLOADED: frozenset({_C.CONFIRMED, _C.FAILED, _C.DELETED}),
    _C.CONFIRMED: frozenset({_C.TRANSCRIBED, _C.FAILED, _C.DELETED}),
    _C.TRANSCRIBED: frozenset({_C.DELETED}),
    # Tried again.
    _C.FAILED: frozenset({_C.CONFIRMED, _C.DELETED}),
    _C.DELETED: frozenset(),
}

DELIVERY_MOVES: Table[DeliveryState] = {
    _D.WAITING: frozenset({_D.DELIVERED, _D.FAILED}),
    # A replay is another delivery.
    _D.DELIVERED: frozenset(),
    # Given up by one node, while another that was thought dead got through.
    _D.FAILED: frozenset({_D.DELIVERED}),
}

REPORT_MOVES: Table[ReportState] = {
    # Failed at once: its project is gone.
    _R.QUEUED: frozenset({_R.WORKING, _R.FAILED}),
    # A restart changes nothing: it goes on where it stopped.
    _R.WORKING: frozenset({_R.DONE, _R.FAILED}),
    _R.DONE: frozenset(),
    _R.FAILED: frozenset(),
}


SUMMARY_MOVES: Table[SummaryState] = {
    # A restart changes nothing: it is begun again.
    _Y.PROCESSING: frozenset({_Y.COMPLETED, _Y.FAILED}),
    _Y.COMPLETED: frozenset(),
    _Y.FAILED: frozenset(),
}


def move(table: Table[S], here: S, there: S) -> S:
    """Go from ``here`` to ``there``, or raise ``IllegalMove``."""
    if there not in table[here]:
        raise IllegalMove(
            f"cannot go from {here.value} to {there.value}",
            details={"state": here.value, "asked": there.value, "allowed": sorted(s.value for s in table[here])},
        )
    return there


def diagram(table: Table[S]) -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for here, theres in table.items():
        lines.extend(f"    {here.value} --> {there.value}" for there in sorted(theres))
    return "\n".join(lines)


if __name__ == "__main__":
    for title, drawn in (
        ("Transcript", diagram(TRANSCRIPT_MOVES)),
        ("Session", diagram(SESSION_MOVES)),
        ("Chunk", diagram(CHUNK_MOVES)),
        ("Delivery", diagram(DELIVERY_MOVES)),
        ("Report", diagram(REPORT_MOVES)),
        ("Summary", diagram(SUMMARY_MOVES)),
    ):
        print(f"## {title}\n\n```mermaid\n{drawn}\n```\n")
