"""Tokens of participants: what joining a meeting gives, good for taking part in it and hearing what is written down."""

from __future__ import annotations

import hashlib
import secrets

from protocol.errors import NotAuthorised
from server.accounts.principal import Attends, Principal, Scope
from server.store.room_store import RoomStore

PREFIX = "eap_"
RANDOM_BYTES = 32
TOKEN_MAX_CHARS = 128
# After the end of the meeting participants may still read what was said last, and answer.
AFTER_THE_END_S = 86400.0


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def is_token(text: str) -> bool:
    """Whether it could be one."""
    return text.startswith(PREFIX) and len(text) <= TOKEN_MAX_CHARS


def hashed(token: str) -> str:
    """What is kept of a token. It is random, so that nobody finds it by trying."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


async def identify(rooms: RoomStore, token: str) -> Principal:
    """Nobody else than before, but let in to the meeting that they joined. Raises ``NotAuthorised``."""
    found = await rooms.attending(hashed(token))
    if found is None:
        raise NotAuthorised("this token is none of a participant; join the meeting again")
    attendance, meeting = found
    expires_at = None if meeting.ended_at is None else meeting.ended_at + AFTER_THE_END_S
    return Principal(
        "participant",
        trusted=False,
        scopes=frozenset({Scope.READ}),
        expires_at=expires_at,
        attends=Attends(attendance.id, meeting.id, meeting.transcript_id, is_over=meeting.ended_at is not None),
    )
