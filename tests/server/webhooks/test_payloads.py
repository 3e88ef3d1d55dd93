"""The bytes that are told."""

from __future__ import annotations

import json

import pytest

from protocol.errors import TooLarge
from server.store.project_records import Project
from server.webhooks.payloads import BODY_MAX_BYTES, EVENTS, body_of

PROJECT = Project(
    id="p",
    owner=None,
    name="Zoë's talks \N{PILE OF POO}",
    language="nl",
    is_open=True,
    portal={},
    created_at=0.0,
    updated_at=0.0,
    deleted_at=None,
)


def test_they_are_json_in_utf_8_whatever_the_text() -> None:
    data = {"report": {"text": 'a\x00b\ud800 "quoted"\n'}}
    body = body_of("report.generated", event_id="evt_1", at=0.0, project=PROJECT, data=data)
    told = json.loads(body.decode())
    assert told["project"]["name"] == PROJECT.name
    assert told["report"]["text"] == 'a\x00b? "quoted"\n'
    assert (told["timestamp"], told["dashboardUrl"]) == ("1970-01-01T00:00:00.000Z", None)
    assert b'": ' not in body.replace(b'\\"', b"")


def test_they_are_bounded_and_hold_no_nan() -> None:
    for data, error in (({"x": "y" * BODY_MAX_BYTES}, TooLarge), ({"x": float("nan")}, ValueError)):
        with pytest.raises(error):
            body_of("report.generated", event_id="evt_1", at=0.0, project=PROJECT, data=data)


def test_events_are_those_of_the_documents() -> None:
    assert set(EVENTS) == {
        "conversation.started",
        "conversation.transcribed",
        "conversation.summarized",
        "report.generated",
    }
