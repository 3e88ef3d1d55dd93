"""What nodes tell each other of a transcript through Redis: JSON behind the token of the node that tells it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from protocol.events import Interim
from server.bus import Deleted, Stored

PREFIX = "earshot:transcript:"
TO_ALL = PREFIX + "*"  # a channel that all nodes listen to, and of no transcript
TOKEN_BYTES = 16
# An interim of the longest utterance, with a time for each word, has a tenth of it.
TOLD_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody begins to read the transcript on another node: whoever has open segments of it tells them again."""

    transcript_id: str


Told = Stored | Interim | Deleted | Wanted


class _Told(BaseModel):
    """One of the four."""

    model_config = ConfigDict(frozen=True)

    stored_seq: int | None = None
    interim: Interim | None = None
    is_deleted: bool = False
    wanted: str | None = None


def channel_of(transcript_id: str) -> str:
    return PREFIX + transcript_id


def channel_for(told: Told) -> str:
    """Where it is told."""
    return TO_ALL if isinstance(told, Wanted) else channel_of(told.transcript_id)


def encode(token: bytes, told: Told) -> bytes | None:
    """None for what is too large to be told; readers see the next one, or the final."""
    if isinstance(told, Stored):
        body = _Told(stored_seq=told.seq)
    elif isinstance(told, Interim):
        body = _Told(interim=told)
    elif isinstance(told, Wanted):
        body = _Told(wanted=told.transcript_id)
    else:
        body = _Told(is_deleted=True)
    data = token + body.model_dump_json(exclude_defaults=True).encode()
    return data if len(data) <= TOLD_MAX_BYTES else None


def decode(channel: bytes, data: bytes) -> Told | None:
    """None for what no node of ours says."""
    transcript_id = channel.decode("utf-8", "replace").removeprefix(PREFIX)
    if len(data) > TOLD_MAX_BYTES:
        return None
    try:
        body = _Told.model_validate_json(data[TOKEN_BYTES:])
    except ValidationError:
        return None
    if channel.decode("utf-8", "replace") == TO_ALL:
        return None if body.wanted is None else Wanted(body.wanted)
    if body.interim is not None and body.interim.transcript_id == transcript_id:
        return body.interim
    if body.stored_seq is not None:
        return Stored(transcript_id, body.stored_seq)
    return Deleted(transcript_id) if body.is_deleted else None
