"""Fields of bots' messages, in whatever dialect. Messages of errors name a field, and never say what stood there."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from protocol.errors import AudioFormatError, InvalidMessage
from protocol.participants import MeetingParticipant
from protocol.wire.bot_items import Moment

RATE_MIN_HZ, RATE_MAX_HZ = 8_000, 48_000
RELATIVE_MAX_S = 86_400.0  # no meeting is longer
AT_MAX = 253_000_000_000.0  # in the year 9987: what comes a day later can be written down, too
NAME_MAX_CHARS = 200
EXTRA_MAX_CHARS = 1024
TEXT_MAX_CHARS = 4000
ID_MAX = 2**53 - 1  # what every JSON reader keeps exactly


def table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidMessage(f"{name} must be an object", details={"field": name, "got": type(value).__name__})
    return value


def finite(value: object, name: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidMessage(f"{name} must be a number from {least:g} to {most:g}", details={"field": name})
    return float(value)


def text_or_none(value: object, max_chars: int = NAME_MAX_CHARS) -> str | None:
    """Shortened to ``max_chars``, in Unicode that can be stored; None for what is no text."""
    if not isinstance(value, str):
        return None
    return value[:max_chars].replace("\x00", "").encode("utf-8", "replace").decode()


def unbased(value: object, name: str) -> bytes:
    """Out of base64 (RFC 4648), strictly."""
    if not isinstance(value, str):
        raise InvalidMessage(f"{name} must be base64 text", details={"field": name, "got": type(value).__name__})
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidMessage(f"{name} is not base64", details={"field": name}) from None


def samples(pcm: bytes) -> bytes:
    if len(pcm) % 2:
        raise InvalidMessage("sound must hold whole samples of 16 bits", details={"length_bytes": len(pcm)})
    return pcm


def rate(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not RATE_MIN_HZ <= value <= RATE_MAX_HZ:
        raise AudioFormatError(
            f"the sample rate must be from {RATE_MIN_HZ} to {RATE_MAX_HZ}", details={"sample_rate": str(value)[:20]}
        )
    return value


def epoch(value: object, name: str) -> float | None:
    """Of ISO 8601 text with a zone (without: UTC); None where nothing is told."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        at = -1.0
    if not 0.0 <= at <= AT_MAX:
        raise InvalidMessage(f"{name} must be a time such as 2026-01-31T12:00:00Z", details={"field": name})
    return at


def moment_of(value: object) -> Moment:
    """``{relative, absolute}``, as Recall.ai tells it. Raises ``InvalidMessage`` where both are missing."""
    told = table(value, "timestamp")
    relative = told.get("relative")
    moment = Moment(
        None if relative is None else finite(relative, "timestamp.relative", 0.0, RELATIVE_MAX_S),
        epoch(told.get("absolute"), "timestamp.absolute"),
    )
    if moment == Moment():
        raise InvalidMessage("timestamp must have relative or absolute", details={"field": "timestamp"})
    return moment


def participant_of(value: object) -> MeetingParticipant:
    told = table(value, "participant")
    is_host = told.get("is_host")
    return MeetingParticipant(
        id=_id_of(told.get("id")),
        name=text_or_none(told.get("name")),
        is_host=is_host if isinstance(is_host, bool) else None,
        platform=text_or_none(told.get("platform")),
        extra_data=_extra(told.get("extra_data")),
        email=text_or_none(told.get("email")),
    )


def number_of(text: str) -> int:
    """For whoever is known by text alone: a number that is made of it, and so stays the same over connections."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _id_of(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(ID_MAX)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= ID_MAX:
        raise InvalidMessage("participant.id must be a whole number", details={"field": "participant.id"})
    return value


def _extra(value: object) -> object:
    """As it came, unless that is too much, or cannot be stored."""
    if not value:
        return value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        is_storable = bool(text.encode()) and "\\u0000" not in text
    except (ValueError, RecursionError):
        return None
    return value if is_storable and len(text) <= EXTRA_MAX_CHARS else None
