"""What attendee's bots send: ``{"trigger", "bot_id", "data": {...}}``, with times of the wall clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.errors import InvalidMessage
from protocol.participants import MeetingParticipant
from protocol.wire.bot_fields import AT_MAX, finite, number_of, rate, samples, table, text_or_none, unbased
from protocol.wire.bot_items import Item, Moment, Picture, PictureFormat, Sound, Unknown

RATE_HZ = 16_000
_UUID_MAX_CHARS = 256


def parse(sent: Mapping[str, Any]) -> Item:
    """Raises ``InvalidMessage``, and ``AudioFormatError`` for a rate that is not taken."""
    name = sent["trigger"]
    if not isinstance(name, str):
        raise InvalidMessage("trigger must be text", details={"got": type(name).__name__})
    data = table(sent.get("data"), "data")
    match name:
        case "realtime_audio.mixed":
            return _sound(None, data)
        case "realtime_audio.per_participant":
            return _sound(_participant(data), data)
        case "realtime_video.per_participant":
            return Picture(
                _participant(data),
                "screenshare" if data.get("source") == "screenshare" else "webcam",
                _format(data.get("format", "jpeg")),
                unbased(data.get("frame"), "frame"),
                _moment(data),
            )
    return Unknown(text_or_none(name, 64) or "")


def _sound(participant: MeetingParticipant | None, data: Mapping[str, Any]) -> Sound:
    return Sound(
        participant,
        samples(unbased(data.get("chunk"), "chunk")),
        rate(data.get("sample_rate", RATE_HZ)),
        _moment(data),
    )


def _participant(data: Mapping[str, Any]) -> MeetingParticipant:
    """Its participants are named by text, and the documents want a number."""
    uuid = data.get("participant_uuid")
    if not isinstance(uuid, str) or not 0 < len(uuid) <= _UUID_MAX_CHARS:
        raise InvalidMessage("participant_uuid must be text", details={"field": "participant_uuid"})
    return MeetingParticipant(id=number_of(uuid), name=text_or_none(data.get("participant_name")), extra_data=None)


def _moment(data: Mapping[str, Any]) -> Moment:
    told = data.get("timestamp_ms")
    return Moment(at=None if told is None else finite(told, "timestamp_ms", 0, AT_MAX * 1000) / 1000)


def _format(value: object) -> PictureFormat:
    match value:
        case "jpeg" | "jpg":
            return "jpeg"
        case "png":
            return "png"
    raise InvalidMessage("format must be jpeg or png", details={"field": "format"})
