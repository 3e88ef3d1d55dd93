"""Peers that never come, come too often, fall silent or die: counted, told, closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from tests.fakes.running_app import Message, RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until
from tests.net.relay import UdpRelay
from tests.net.rtc_client import Exchange, RtcClient

SOUND = scripted_sound(sentence("alpha bravo charlie", 0.3))
DEADLINE_S = 20.0


@pytest.fixture
async def offered() -> AsyncIterator[dict[str, str]]:
    """An offer of a client that never does anything else."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("audio", direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    yield {"sdp": peer.localDescription.sdp, "type": "offer"}
    await peer.close()


async def offer(node: RunningApp, body: dict[str, str], forwarded_for: str = "") -> httpx.Response:
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    path = f"/v1/transcripts_webrtc/{await node.new_transcript()}/offer"
    return await node.http.post(path, json=body, headers=headers)


def is_refused(response: httpx.Response) -> bool:
    if response.status_code == 200:
        return False
    assert (response.status_code, response.json()["error"]["code"]) == (503, "TOO_MANY_PEERS"), response.text
    assert int(response.headers["retry-after"]) >= 1
    return True


async def test_so_many_peers_connect_at_once_and_all_is_freed_after_the_deadline(
    tmp_path: Path, offered: dict[str, str]
) -> None:
    async with running_app(tmp_path, peers_connecting_max=5, connect_deadline_s=4) as node:
        answers = await asyncio.gather(*(offer(node, offered) for _ in range(7)))
        assert sorted(map(is_refused, answers)) == [False] * 5 + [True] * 2
        # Ours as well.
        assert is_refused(await offer(node, {}))
        assert node.services.peers.places.connecting == 5
        await until(lambda: node.services.peers.places.count == 0)
        await until(lambda: not node.services.hub.sessions)
        assert not is_refused(await offer(node, {}))


async def test_so_many_peers_of_one_address(tmp_path: Path, offered: dict[str, str]) -> None:
    async with running_app(tmp_path, peers_per_address_max=2) as node:
        for client in ("192.0.2.1", "192.0.2.2"):
            answers = [await offer(node, offered, client) for _ in range(3)]
            assert [is_refused(answer) for answer in answers] == [False, False, True]
        # What a client writes itself stands before what the proxy adds.
        assert is_refused(await offer(node, offered, "203.0.113.77, 192.0.2.1"))


async def test_who_is_no_proxy_of_ours_cannot_choose_its_address(tmp_path: Path, offered: dict[str, str]) -> None:
    async with running_app(tmp_path, peers_per_address_max=2, trusted_proxies=("192.0.2.200",)) as node:
        answers = [await offer(node, offered, f"203.0.113.{number}") for number in range(3)]
        assert [is_refused(answer) for answer in answers] == [False, False, True]


async def test_a_refused_offer_takes_no_place(tmp_path: Path) -> None:
    async with running_app(tmp_path, peers_connecting_max=1) as node:
        for _ in range(3):
            assert (await offer(node, {"sdp": "nonsense", "type": "offer"})).status_code == 400
            unknown = "/v1/transcripts_webrtc/05aaa04e-dc59-4e2f-af18-9fce6bf66068/offer"
            assert (await node.http.post(unknown, json={})).status_code == 404
        await until(lambda: node.services.peers.places.count == 0)


def exchange_of(node: RunningApp, transcript_id: str, told: dict[str, Any], **more: str) -> Exchange:
    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        body = {"sdp": sdp, "type": type_, **more}
        answer = await node.http.post(f"/v1/transcripts_webrtc/{transcript_id}/offer", json=body)
        assert answer.status_code == 200, answer.text
        told.update(answer.json())
        return told["sdp"], told["type"]

    return exchange


def audio_is(state: str) -> Callable[[Message], bool]:
    return lambda message: message["type"] == "status" and message["data"]["audio"] == state


async def test_silence_of_a_peer_is_told_and_so_is_its_return(tmp_path: Path) -> None:
    async with running_app(tmp_path, stalled_after_s=2) as node, UdpRelay(seed=1) as relay:
        id_ = await node.new_transcript()
        async with node.socket(f"/v1/transcripts_websocket/{id_}") as reader, RtcClient(SOUND) as client:
            await client.connect(relay.between(exchange_of(node, id_, {})))
            await reader.until("transcription")
            with relay.both(black_hole=True):
                await reader.until(audio_is("stalled"))
            await reader.until(audio_is("live"))


async def test_a_peer_that_never_brings_sound_is_stalled_from_the_beginning(tmp_path: Path) -> None:
    async with running_app(tmp_path, stalled_after_s=0.5) as node:
        id_ = await node.new_transcript()
        async with node.socket(f"/v1/transcripts_websocket/{id_}") as reader, RtcClient(SOUND) as client:
            muted = asyncio.Event()
            client.track.begin, begin = muted, client.track.begin
            await client.connect(exchange_of(node, id_, {}))
            client.track.begin = begin
            await reader.until(audio_is("stalled"))


async def test_a_dead_peer_is_closed_and_one_that_comes_back_goes_on_at_once(tmp_path: Path) -> None:
    options = {"peer_gone_after_s": 1.5, "peers_per_address_max": 1, "resume_grace_s": 30}
    async with running_app(tmp_path, **options) as node, UdpRelay(seed=1) as relay:
        id_ = await node.new_transcript()
        told: dict[str, Any] = {}
        async with RtcClient(SOUND) as client:
            await client.connect(relay.between(exchange_of(node, id_, told)))
            await client.wait_message(lambda text: '"is_final":true' in text)
            with relay.both(black_hole=True):
                # At once, while the server still counts the one that it cannot hear any more.
                assert node.services.peers.places.count == 1
                async with RtcClient(SOUND) as again:
                    after: dict[str, Any] = {}
                    await again.connect(exchange_of(node, id_, after, resume_token=told["resume_token"]))
                    assert after["session_id"] == told["session_id"]
                    final = json.loads(await again.wait_message(lambda text: '"is_final":true' in text))
                    assert final["data"]["text"] == "alpha bravo charlie"
                    assert len(await node.services.store.tracks_of(id_)) == 1
                    # And now nobody.
                    again.vanish()
                    await until(lambda: node.services.peers.places.count == 0)
                    [session] = node.services.hub.sessions.values()
                    assert session.state == "resuming"
