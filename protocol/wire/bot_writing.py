"""Bots' messages written, in each dialect: what ``bots`` reads. For the bot that we play ourselves."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from protocol.participants import MeetingParticipant
from protocol.wire.bot_items import Acted, Head, Moment, Picture, Sound
from protocol.wire.bots import ID_BYTES
from protocol.wire.dialects import Dialect


def written(item: Sound | Acted | Picture | Head, dialect: Dialect) -> str | bytes | None:
    """None: there is no way to say it in this dialect."""
    match dialect:
        case Dialect.RECALL:
            return None if isinstance(item, Head) else _recall(item)
        case Dialect.ATTENDEE:
            return _attendee(item) if isinstance(item, Sound) else None
        case Dialect.LEGACY:
            return None if isinstance(item, Picture) else _legacy(item)


def _recall(item: Sound | Acted | Picture) -> str:
    inside: dict[str, Any] = {"timestamp": _timestamp(item.moment)}
    if item.participant is not None:
        inside["participant"] = item.participant.model_dump()
    if isinstance(item, Acted):
        name = f"participant_events.{item.action.value}"
        inside["data"] = None if item.text is None else {"text": item.text, "to": item.to}
    elif isinstance(item, Picture):
        name = f"video_separate_{'h264' if item.format == 'h264' else 'png'}.data"
        inside |= {"buffer": base64.b64encode(item.data).decode(), "type": item.surface}
    else:
        name = "audio_mixed_raw.data" if item.participant is None else "audio_separate_raw.data"
        inside["buffer"] = base64.b64encode(item.pcm).decode()
    about = {"id": "simulated", "metadata": {}}
    around = {"data": inside, "realtime_endpoint": about, "recording": about, "bot": about}
    return json.dumps({"event": name, "data": around})


def _timestamp(moment: Moment) -> dict[str, Any]:
    told: dict[str, Any] = {} if moment.relative_s is None else {"relative": moment.relative_s}
    if moment.at is not None:
        told["absolute"] = datetime.fromtimestamp(moment.at, UTC).isoformat()
    return told


def _attendee(sound: Sound) -> str:
    data: dict[str, Any] = {"chunk": base64.b64encode(sound.pcm).decode(), "sample_rate": sound.rate_hz}
    if sound.moment.at is not None:
        data["timestamp_ms"] = round(sound.moment.at * 1000)
    trigger = "realtime_audio.mixed"
    if sound.participant is not None:
        trigger = "realtime_audio.per_participant"
        data |= {"participant_uuid": str(sound.participant.id), "participant_name": sound.participant.name}
    return json.dumps({"trigger": trigger, "bot_id": "simulated", "data": data})


def _legacy(item: Sound | Acted | Head) -> str | bytes | None:
    if isinstance(item, Head):
        told = {"protocol_version": 1, "bot_id": "simulated", "recording_id": "simulated"}
        return json.dumps(told | {"separate_streams": item.is_separate, "offset": item.offset_s})
    if isinstance(item, Acted):
        return None
    return _number(item.participant) + item.pcm


def _number(participant: MeetingParticipant | None) -> bytes:
    return b"" if participant is None else participant.id.to_bytes(ID_BYTES, "little")
