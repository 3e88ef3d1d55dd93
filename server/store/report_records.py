"""Reports of projects, what they are made of, and who is told of them: what the store returns, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.states import ReportState


@dataclass(frozen=True, slots=True)
class Report:
    """A document made of a project's conversations. ``*_at`` are epoch seconds."""

    id: str
    project_id: str
    state: ReportState
    is_published: bool  # participants may read it
    conversations: int  # there were, when it was asked for
    digested: int  # of them, so far
    after_at: float  # when the conversation was made that was digested last; 0: none yet
    after_id: str
    attempts: int  # that failed for a reason that nobody foresaw
    note: str  # what of it is not as it should be
    error: str | None
    created_at: float
    updated_at: float
    finished_at: float | None

    @property
    def is_open(self) -> bool:
        """It is still to be made."""
        return self.state in (ReportState.QUEUED, ReportState.WORKING)


@dataclass(frozen=True, slots=True)
class KeptDigest:
    """What a report knows of one conversation."""

    conversation_id: str
    number: int  # in the report, from 0
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Somebody who wants to be told of a project's reports. ``*_at`` are epoch seconds."""

    id: str
    project_id: str
    email: str
    opted_in: bool
    created_at: float
    updated_at: float
