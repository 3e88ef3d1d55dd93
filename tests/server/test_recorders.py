"""Two who want to record one transcript: over real HTTP and real sockets, one of them wins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from protocol.errors import Conflict
from protocol.states import TranscriptState
from server.live import SourceOptions
from server.recorders import new_track
from server.store.records import VoicesAsked
from server.store.store import Store
from tests.fakes.node import Client, new_client, running_services, wait_for_state
from tests.fakes.running_app import RunningApp, Socket, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

SOUND = scripted_sound(sentence("alpha bravo", 0.3))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path) as running:
        yield running


@pytest.fixture
async def offer() -> AsyncIterator[dict[str, str]]:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("audio", direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    yield {"sdp": peer.localDescription.sdp, "type": "offer"}
    await peer.close()


async def begin(socket: Socket, **data: Any) -> dict[str, Any]:
    """Its ``started``, or the error it was refused with."""
    await socket.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000, **data}})
    message = await socket.until(lambda message: message["type"] in ("started", "error"))
    found: dict[str, Any] = message["data"]
    return found


def conflict_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 409, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == "CONFLICT"
    assert "stop that recording first" in error["message"]
    assert "name a `track`" in error["message"]
    return error


async def test_of_offers_in_the_same_moment_exactly_one_wins(node: RunningApp, offer: dict[str, str]) -> None:
    id_ = await node.new_transcript()
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        (f"/v1/transcripts_webrtc/{id_}/offer", {"json": offer}),
        (f"/v1/transcripts/{id_}/record/webrtc", {"json": offer}),
        (f"/v1/transcripts_webrtc/{id_}/offer", {"json": {}}),
        (f"/whip/{id_}", {"content": offer["sdp"], "headers": {"Content-Type": "application/sdp"}}),
    )
    answers = await asyncio.gather(*(node.http.post(path, **request) for path, request in ways * 2))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] + statuses[201] == 1, statuses
    assert statuses[409] == len(answers) - 1
    for answer in answers:
        if answer.status_code == 409:
            conflict_of(answer)
    assert len(await node.services.store.tracks_of(id_)) == 1


async def test_a_socket_and_an_offer_are_refused_beside_a_socket_that_speaks(
    node: RunningApp, offer: dict[str, str]
) -> None:
    id_ = await node.new_transcript()
    path = f"/v1/transcripts_stream/{id_}"
    async with node.socket(path) as first, node.socket(path) as second, node.socket(path) as third:
        await begin(first)
        await first.send(SOUND[:6400])
        error = await begin(second)
        assert (error["code"], error["recoverable"]) == ("CONFLICT", False)
        assert "name a `track`" in error["message"]
        assert (await second.closed())[0] == 4009
        conflict_of(await node.http.post(f"/v1/transcripts_webrtc/{id_}/offer", json=offer))
        # Not told apart by what they are, but by what they call themselves.
        assert "session_id" in await begin(third, track="desk-2")
        conflict_of(await node.http.post(f"/v1/transcripts_webrtc/{id_}/offer", json={**offer, "track": "desk-2"}))
        # A file is no recorder: it is heard beside whoever speaks.
        wav = {"file": ("talk.wav", b"RIFF", "audio/wav")}
        assert (await node.http.post(f"/v1/transcripts_audio/{id_}/upload", files=wav)).status_code == 400
        # Whoever records is not disturbed, and when it is over another may.
        await first.send({"type": "stop"})
        await first.until("stopped")
        async with node.socket(path) as after:
            assert "session_id" in await begin(after)


async def test_a_lost_recorder_keeps_its_place_for_itself_until_somebody_stops_it(
    node: RunningApp, offer: dict[str, str]
) -> None:
    id_ = await node.new_transcript()
    path = f"/v1/transcripts_stream/{id_}"
    async with node.socket(path) as first, node.socket(f"/v1/transcripts_websocket/{id_}") as reader:
        token = (await begin(first))["resume_token"]
        await first.send(SOUND)
        await first.until(lambda message: message["type"] == "ack" and message["data"]["position"] > 0)
        first.connection.transport.abort()
        await reader.until(lambda message: message["data"].get("audio") == "stalled")
        stranger = await node.http.post(f"/v1/transcripts_webrtc/{id_}/offer", json=offer)
        error = conflict_of(stranger)
        assert error["details"]["state"] == "resuming"
        assert 0 < error["details"]["retry_after_s"] <= node.settings.resume_grace_s
        assert stranger.headers["retry-after"] == str(error["details"]["retry_after_s"])
        async with node.socket(path) as again:
            assert (await begin(again, resume=token))["position"] > 0
            await again.send(SOUND)
            await reader.until(lambda message: message["data"].get("audio") == "live")
            again.connection.transport.abort()
        await reader.until(lambda message: message["data"].get("audio") == "stalled")
        await reader.send({"action": "stop"})
        await reader.until(lambda message: message["data"].get("status") == "completed")
    async with node.socket(path) as stranger_socket:
        assert "session_id" in await begin(stranger_socket)
        # The owner's place is another's now.
        async with node.socket(path) as again:
            assert (await begin(again, resume=token))["code"] == "CONFLICT"


async def test_a_locked_transcript_takes_no_sound_at_any_door(node: RunningApp, offer: dict[str, str]) -> None:
    id_ = await node.new_transcript()
    async with node.socket(f"/v1/transcripts_stream/{id_}") as speaker:
        token = (await begin(speaker))["resume_token"]
        await speaker.send({"type": "stop"})
        await speaker.until("stopped")
    await node.services.store.update_transcript(id_, locked=True)
    files = {"file": ("talk.wav", wav_of(SOUND), "audio/wav")}
    sdp, headers = offer["sdp"], {"Content-Type": "application/sdp"}
    for answer in (
        await node.http.post(f"/v1/transcripts_webrtc/{id_}/offer", json=offer),
        await node.http.post(f"/v1/transcripts/{id_}/record/webrtc", json={"track": "desk-1"}),
        await node.http.post(f"/whip/{id_}", content=sdp, headers=headers),
        await node.http.post(f"/v1/transcripts_audio/{id_}/upload", files=files),
    ):
        assert (answer.status_code, answer.json()["error"]["message"]) == (409, "Transcript is locked")
    for start in ({}, {"resume": token}):
        async with node.socket(f"/v1/transcripts_stream/{id_}") as speaker:
            assert (await begin(speaker, **start))["message"] == "Transcript is locked"
            assert (await speaker.closed())[0] == 4009
    await node.services.store.update_transcript(id_, locked=False)
    assert (await node.http.post(f"/v1/transcripts_webrtc/{id_}/offer", json=offer)).status_code == 200


async def test_after_the_grace_the_place_is_free(tmp_path: Path) -> None:
    async with running_services(tmp_path, resume_grace_s=0.2) as services:
        client = await new_client(services)
        speaking = await client.begin()
        await client.say(SOUND)
        speaking.lost("gone")
        with pytest.raises(Conflict):
            await Client(services, client.transcript_id).begin()
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        await Client(services, client.transcript_id).begin()


async def test_after_a_restart_the_place_is_still_the_owners(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        named = Client(services, client.transcript_id)
        await client.begin()
        await named.begin(participant={"id": "desk-1", "name": "Anna"})
        for each in (client, named):
            await each.say(SOUND)
    async with running_services(tmp_path) as services:
        stranger = Client(services, client.transcript_id)
        for start in ({}, {"track": "desk-1"}, {"participant": {"name": "Anna"}}):
            with pytest.raises(Conflict):
                await stranger.begin(**start)
        await stranger.begin(track="desk-2")
        for each in (client, named):
            again = Client(services, client.transcript_id)
            await again.begin(resume=each.of("started")[0]["resume_token"])
        assert len(await services.store.tracks_of(client.transcript_id)) == 3


async def test_a_session_that_cannot_go_on_as_asked_makes_room_for_a_new_one(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        speaking = await client.begin()
        await client.say(SOUND)
        token = client.of("started")[0]["resume_token"]
        with pytest.raises(Conflict, match="without the token"):  # while it speaks, nothing happens to it
            await Client(services, client.transcript_id).begin(resume=token, sample_rate=48000)
        await client.say(SOUND)
        speaking.lost("another microphone, of another rate")
        with pytest.raises(Conflict, match="without the token"):
            await client.begin(resume=token, sample_rate=48000)
        await client.begin(sample_rate=48000)
        await client.stop()


# What the first named, what the second names, and whether that is the same place.
PLACES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({}, {"track": "desk-1"}, False),
    ({}, {"participant": {"name": "Anna"}}, False),
    ({"track": "desk-1"}, {}, False),
    ({"track": "desk-1"}, {"track": "desk-1"}, True),
    ({"track": "desk-1"}, {"track": "desk-2"}, False),
    ({"track": "track-1"}, {"track": "track-2"}, False),
    ({"track": "track-1"}, {}, False),
    ({}, {"track": "track-1"}, True),
    ({"participant": {"name": "Anna"}}, {"participant": {"name": "Ben"}}, False),
    ({"participant": {"name": "Anna"}}, {"participant": {"name": "Anna"}}, True),
    ({"participant": {"id": "1", "name": "Anna"}}, {"participant": {"id": "2", "name": "Anna"}}, False),
]


async def test_which_places_there_are(tmp_path: Path) -> None:
    async with running_services(tmp_path, sessions_max=100, admission_busy_max=0) as services:
        for first, second, is_same in PLACES:
            client = await new_client(services)
            await client.begin(**first)
            try:
                await Client(services, client.transcript_id).begin(**second)
                assert not is_same, (first, second)
            except Conflict:
                assert is_same, (first, second)


@pytest.mark.parametrize(
    ("options", "is_told_apart"),
    [
        (SourceOptions(), True),
        (SourceOptions(source="webrtc"), True),
        (SourceOptions(source="file"), True),
        (SourceOptions(source="bot"), False),
        (SourceOptions(source="text"), False),
        (SourceOptions(speaker="Ann"), False),
        (SourceOptions(speaker="Ann", voices=VoicesAsked(diarize=True)), True),
        (SourceOptions(source="file", voices=VoicesAsked(diarize=False)), False),
        (SourceOptions(source="bot", voices=VoicesAsked(diarize=True)), False),
    ],
)
async def test_of_which_tracks_the_voices_are_told_apart(
    store: Store, options: SourceOptions, is_told_apart: bool
) -> None:
    transcript_id = (await store.create_transcript()).id
    assert (await new_track(store, transcript_id, options)).diarize is is_told_apart
    assert not (await new_track(store, transcript_id, options, tells_apart=False)).diarize


async def test_a_new_track_is_called_what_no_voice_is(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    first = await new_track(store, transcript_id, SourceOptions())
    await store.voices.put_labels(transcript_id, {(first.id, 1): "Speaker 2"})
    taken = {"Speaker 3"}
    second = await new_track(store, transcript_id, SourceOptions(), reserve=lambda label: label not in taken)
    assert (first.speaker, second.speaker) == ("Speaker 1", "Speaker 4")
