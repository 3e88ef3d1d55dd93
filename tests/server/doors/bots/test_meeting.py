"""A whole meeting: ten participants who come and go, talk at once, show their screens and write, over a connection that
is lost in the middle. All its documents hold to their script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from media.drawn import drawn, png
from protocol.events import Event, ParticipantActed
from tests.fakes.running_app import RunningApp, running_app
from tests.server.bots import contract
from tests.server.doors.bots.test_download import picture
from tests.server.doors.bots.test_stream import (
    Message,
    did,
    ended,
    path_of,
    pieces,
    recall,
    register,
    told,
    wait_for_words,
)

NEAR_S = 0.05
PEOPLE = range(1, 11)
FIRST = ("alpha", "bravo", "charlie", "delta", "one", "two", "three", "four", "five", "six")
SECOND = FIRST[::-1]
LOST_S, AGAIN_S = 12.0, 13.0
FIRST_S = {who: 2.0 + 0.7 * who for who in PEOPLE}  # each goes on for a second: two speak at once
SECOND_S = {who: 13.0 + 0.7 * who for who in PEOPLE}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, sessions_max=20) as running:
        yield running


def script() -> list[tuple[float, Message]]:
    """What the bot sends, in order of time."""
    found: list[tuple[float, Message]] = []
    for who in PEOPLE:
        found.append((0.1 * who, did("join", who, 0.1 * who)))
        for words, times_s in ((FIRST, FIRST_S), (SECOND, SECOND_S)):
            said = pieces(recall, who, words[who - 1], times_s[who])
            found += [(times_s[who] - 0.4 + number * 0.1, each) for number, each in enumerate(said)]
        found.append((22.0 + who / 100, did("leave", who, 22.0 + who / 100)))
    found.append((4.0, did("chat_message", 3, 4.0, {"text": "the agenda", "to": "everyone"})))
    found.append((5.0, did("screenshare_on", 4, 5.0)))
    found += [(5.0 + at / 2, picture(4, 5.0 + at / 2, png(drawn(4, at / 2)), kind="screenshare")) for at in range(6)]
    found.append((8.0, did("screenshare_off", 4, 8.0)))
    # A screen and a camera that are shown while the connection is lost.
    found.append((10.5, did("screenshare_on", 7, 10.5)))
    found += [(10.5 + at / 2, picture(7, 10.5 + at / 2, png(drawn(7, at)), kind="screenshare")) for at in range(9)]
    found.append((15.0, did("screenshare_off", 7, 15.0)))
    found += [(10.0 + at / 2, picture(8, 10.0 + at / 2, png(drawn(8, at)))) for at in range(4)]
    found.append((12.25, did("webcam_off", 8, 12.25)))
    found.append((9.0, told(5, 9.0, "ignored", "words")))  # of whoever is heard
    return sorted(found, key=lambda each: each[0])


async def documents_of(node: RunningApp, recording: dict[str, Any]) -> dict[str, Any]:
    """All that there is of it, by name."""
    found: dict[str, Any] = {}
    for kind in ("participant_events", "transcript", "audio_separate", "video_separate"):
        media = (await node.http.get(f"/api/v1/{kind}/{recording['id']}/")).json()
        for name, url in media["data"].items():
            answer = await node.http.get(url)
            assert answer.status_code == 200, url
            found[kind if name == "download_url" else name.removesuffix("_download_url")] = answer.json()
    return found


async def test_ten_participants_and_a_lost_connection(node: RunningApp) -> None:
    bot = await register(node, bot_name="Notes")
    everything = script()
    async with node.socket(path_of(bot)) as socket:
        for at_s, message in everything:
            if at_s < LOST_S:
                await socket.send(message)
        await until_acted(node, bot, "screenshare_on", 7)
        await wait_for_words(node, bot, *FIRST)
        socket.connection.transport.abort()
    async with node.socket(path_of(bot)) as socket:
        for at_s, message in everything:
            if at_s >= LOST_S - 1.0:  # a little of it again
                await socket.send(message)
        await until_acted(node, bot, "leave", 10)
        recording = await ended(node, bot)
    documents = await documents_of(node, recording)
    for name, schema in (
        ("participants", contract.PARTICIPANTS),
        ("participant_events", contract.PARTICIPANT_EVENTS),
        ("speaker_timeline", contract.SPEAKER_TIMELINE),
        ("transcript", contract.TRANSCRIPT),
        ("provider_data", contract.PROVIDER_DATA),
        ("audio_separate", contract.AUDIO_SEPARATE),
        ("video_separate", contract.VIDEO_SEPARATE),
    ):
        jsonschema_rs.validate(schema, documents[name])

    people = [(each["id"], each["name"]) for each in documents["participants"]]
    assert sorted(people) == [(who, f"Person {who}") for who in PEOPLE]
    acted = [(each["action"], each["participant"]["id"]) for each in documents["participant_events"]]
    assert acted == [
        *(("join", who) for who in PEOPLE),
        ("chat_message", 3),
        ("screenshare_on", 4),
        ("screenshare_off", 4),
        ("screenshare_on", 7),
        ("webcam_off", 8),
        ("screenshare_off", 7),
        *(("leave", who) for who in PEOPLE),
    ]
    spoken = sorted(
        (each["participant"]["id"], word["start_timestamp"]["relative"], word["text"])
        for each in documents["transcript"]
        for word in each["words"]
    )
    assert spoken == [
        (who, pytest.approx(times_s[who], abs=NEAR_S), words[who - 1])
        for who in PEOPLE
        for words, times_s in ((FIRST, FIRST_S), (SECOND, SECOND_S))
    ]
    timeline = sorted(
        (each["participant"]["id"], each["start_timestamp"]["relative"]) for each in documents["speaker_timeline"]
    )
    assert timeline == [
        (who, pytest.approx(times_s[who], abs=NEAR_S)) for who in PEOPLE for times_s in (FIRST_S, SECOND_S)
    ]
    sounds = sorted(
        (each["participant"]["id"], each["start_timestamp"]["relative"]) for each in documents["audio_separate"]
    )
    assert sounds == [
        (who, pytest.approx(times_s[who] - 0.5, abs=NEAR_S)) for who in PEOPLE for times_s in (FIRST_S, SECOND_S)
    ]
    shown = [
        (each["participant"]["id"], each["type"], each["start_timestamp"]["relative"], each["duration"])
        for each in documents["video_separate"]
    ]
    assert shown == [
        (who, kind, pytest.approx(start_s, abs=NEAR_S), pytest.approx(end_s - start_s, abs=NEAR_S))
        for who, kind, start_s, end_s in (
            (4, "screenshare", 5.0, 8.0),
            (8, "webcam", 10.0, 12.25),
            (7, "screenshare", 10.5, 15.0),
        )
    ]
    assert "ignored" not in json.dumps(documents["transcript"])
    assert "ignored" in json.dumps(documents["provider_data"])


async def until_acted(node: RunningApp, bot: dict[str, Any], action: str, who: int) -> None:
    """Until that participant did so."""
    recording_id = bot["recordings"][0]["id"]
    async with asyncio.timeout(60), node.services.journal.subscribe(recording_id, after=0, types=None) as events:
        async for event in events:
            body = event.body if isinstance(event, Event) else None
            if isinstance(body, ParticipantActed) and (body.action, body.participant.id) == (action, who):
                return
