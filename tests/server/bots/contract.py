"""JSON Schemas of a meeting's documents, written from the documentation of those that it is compatible with: every
field, and which may be null. Nothing else may be there."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(**fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


_ABSOLUTE: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_RELATIVE: Schema = {"type": "number", "minimum": 0}
_BOTH = _object(absolute=_ABSOLUTE, relative=_RELATIVE)
_PARTICIPANT = _object(
    id={"type": "integer"},
    name=_or_null("string"),
    is_host=_or_null("boolean"),
    platform=_or_null("string"),
    extra_data={},
)
_ACTIONS = ("join", "leave", "update", "speech_on", "speech_off")
_SHOWN = ("webcam_on", "webcam_off", "screenshare_on", "screenshare_off")

PARTICIPANTS = _list(_PARTICIPANT)
PARTICIPANT_EVENTS = _list(
    {
        "oneOf": [
            _object(
                id={"type": "string"},
                action={"enum": [*_ACTIONS, *_SHOWN]},
                participant=_PARTICIPANT,
                timestamp=_BOTH,
                data={"type": "null"},
            ),
            _object(
                id={"type": "string"},
                action={"const": "chat_message"},
                participant=_PARTICIPANT,
                timestamp=_BOTH,
                data=_object(text={"type": "string"}, to={"enum": ["everyone", "only_bot"]}),
            ),
        ]
    }
)
SPEAKER_TIMELINE = _list(_object(participant=_PARTICIPANT, start_timestamp=_BOTH, end_timestamp=_BOTH))
TRANSCRIPT = _list(
    _object(
        participant=_object(id={"type": "number"}, name=_or_null("string")),
        words=_list(
            _object(
                text={"type": "string"},
                start_timestamp=_object(relative=_RELATIVE),
                end_timestamp=_object(relative=_RELATIVE),
            )
        ),
    )
)
_PART: dict[str, Schema] = {
    "id": {"type": "string"},
    "participant": _PARTICIPANT,
    "start_timestamp": _BOTH,
    "duration": {"type": "number", "minimum": 0},
}
_URL: Schema = {"type": "string", "pattern": "^https?://"}
AUDIO_SEPARATE = _list(_object(**_PART, download_url=_URL))
VIDEO_SEPARATE = _list(_object(**_PART, type={"enum": ["webcam", "screenshare"]}, download_url=_URL))
PROVIDER_DATA = _object(
    parts=_list(
        _object(
            id={"type": "string"},
            created_at=_ABSOLUTE,
            source_audio={
                "oneOf": [
                    _object(type={"const": "mixed"}, offset={"type": "number"}, participant={"type": "null"}),
                    _object(type={"const": "separate"}, offset={"type": "number"}, participant=_PARTICIPANT),
                ]
            },
            type={"const": "websocket_message"},
            data=_object(url={"type": "string"}, event={"type": "string"}, payload={"type": "object"}),
        )
    )
)
