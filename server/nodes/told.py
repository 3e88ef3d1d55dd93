"""What nodes tell each other of a transcript through Redis: JSON behind the token of the node that tells it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from protocol.events import Interim
from server.bus import Deleted, Stored

PREFIX = "earshot:transcript:"
TOKEN_BYTES = 16
# An interim of the longest utterance, with a time for each word, has a tenth of it.
TOLD_MAX_BYTES = 64 * 1024

Told = Stored | Interim | Deleted


class _Told(BaseModel):
    """One of the three."""

    model_config = ConfigDict(frozen=True)

    stored_seq: int | None = None
    interim: Interim | None = None
    is_deleted: bool = False


def channel_of(transcript_id: str) -> str:
    return PREFIX + transcript_id


def encode(token: bytes, told: Told) -> bytes | None:
    """None for what is too large to be told; readers see the next one, or the final."""
    if isinstance(told, Stored):
        body = _Told(stored_seq=told.seq)
    elif isinstance(told, Interim):
        body = _Told(interim=told)
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
    if body.interim is not None and body.interim.transcript_id == transcript_id:
        return body.interim
    if body.stored_seq is not None:
        return Stored(transcript_id, body.stored_seq)
    return Deleted(transcript_id) if body.is_deleted else None
