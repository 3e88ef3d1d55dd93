"""What a request is about: the thing that its path names, as far as deciding who may do what needs it.

``NAMED`` says which path parameter names which kind. A door that has one of its own adds it there, and its table to
``server/store/standing.py``: from then on every route with that parameter is guarded by what the row says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from protocol.ids import is_transcript_id
from server.meetings.names import is_room_name
from server.store.standing import Standing
from server.store.store import Store


class Kind(StrEnum):
    """Also the name of it in messages."""

    TRANSCRIPT = "transcript"
    ROOM = "room"
    MEETING = "meeting"
    PROJECT = "project"
    CONVERSATION = "conversation"
    WEBHOOK = "webhook"
    SUMMARY = "summary"
    API_KEY = "API key"
    JOB = "job"
    BOT = "bot"
    RECORDING = "recording"
    VOICE = "enrolled voice"


@dataclass(frozen=True, slots=True)
class Resource:
    """``standing`` is None for one that does not exist: to most it looks like one of somebody else."""

    kind: Kind
    id: str
    standing: Standing | None

    @property
    def owner(self) -> str | None:
        return self.standing.owner if self.standing is not None else None


@dataclass(frozen=True, slots=True)
class Named:
    """A path parameter. Text that is no id never reaches a query, a path or a log line."""

    kind: Kind
    is_id: Callable[[str], bool] = is_transcript_id
    look: str = ""  # how its standing is found, unless by its kind


def _is_name_or_id_of_room(text: str) -> bool:
    return is_room_name(text) or is_transcript_id(text)


NAMED: dict[str, Named] = {
    "transcript_id": Named(Kind.TRANSCRIPT),
    "room_id": Named(Kind.ROOM),
    "room_name": Named(Kind.ROOM, _is_name_or_id_of_room, "room_named"),
    "meeting_id": Named(Kind.MEETING),
    "project_id": Named(Kind.PROJECT),
    "conversation_id": Named(Kind.CONVERSATION),
    "webhook_id": Named(Kind.WEBHOOK),
    "summary_id": Named(Kind.SUMMARY),
    "key_id": Named(Kind.API_KEY),
    "job_id": Named(Kind.JOB),
    "bot_id": Named(Kind.BOT),
    "recording_id": Named(Kind.RECORDING),
    "voice_id": Named(Kind.VOICE),
}


async def load(store: Store, parameter: str, text: str) -> Resource:
    """What ``text`` names as ``parameter``: one query, none for text that is no id. Raises ``StoreUnavailable``."""
    named = NAMED[parameter]
    standing = await store.standing(named.look or named.kind.name.lower(), text) if named.is_id(text) else None
    return Resource(named.kind, text, standing)
