"""What an export knows of one conversation, and how its times are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

# The last second that a date of Python, and of a spreadsheet, can be: the end of the year 9999.
_LAST_S = 253_402_300_799.0


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """One conversation. Times are epoch seconds, UTC; ``name`` and ``email`` are those of who was recorded.

    ``status`` is a word of ``protocol.wire.v1.STATUS_OF_STATE``, ``duration_s`` is finite. What is not known is empty.
    """

    id: str
    name: str
    email: str
    tags: tuple[str, ...]
    source: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    status: str
    duration_s: float
    words: int
    speakers: tuple[str, ...]
    title: str
    summary: str
    language: str

    @property
    def began_at(self) -> float:
        """When it was recorded; where that never began, when it was made."""
        return self.created_at if self.started_at is None else self.started_at


def moment(epoch_s: float) -> datetime:
    """A time in UTC, from 1970 to 9999: what lies outside is the nearest that every format can tell."""
    return datetime.fromtimestamp(min(max(epoch_s, 0.0), _LAST_S), UTC)


def iso_utc(at: datetime) -> str:
    """A time in UTC by ISO 8601 with milliseconds, as everywhere in the API: ``2026-01-01T10:00:00.000Z``."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
