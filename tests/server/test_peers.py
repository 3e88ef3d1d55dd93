"""WebRTC sources over loopback: an aiortc client speaks, the node hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from protocol.errors import EarshotError, HeldElsewhere, NotFound, Replaced, SdpError
from protocol.states import SessionState, TranscriptState
from server.live import SourceOptions
from server.peer_source import Described, PeerSource
from server.services import Services
from server.sound import sound_of
from tests.fakes.node import Client, new_client, running_services, texts, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.media.opus_sound import sweep_packets
from tests.net.rtc_client import RtcClient

SENTENCE = sentence("alpha bravo charlie", 0.6)
SOUND = scripted_sound(SENTENCE, length_s=2.2)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path) as services:
        await services.asr.wait_ready()
        yield services


async def connect(
    services: Services, client: Client, peer: RtcClient, *, resume: str | None = None, speaker: str | None = None
) -> Described:
    made: list[Described] = []
    options = SourceOptions(speaker=speaker)

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        made.append(await services.peers.answer(client.transcript_id, sdp, type_, options, resume_token=resume))
        return made[0].sdp, made[0].type

    await peer.connect(exchange)
    return made[0]


async def test_a_voice_over_webrtc_becomes_words_on_its_channel_and_in_the_journal(services: Services) -> None:
    client = await new_client(services)
    async with RtcClient(SOUND) as peer:
        await connect(services, client, peer)
        final = json.loads(await peer.wait_message(lambda text: '"is_final":true' in text))
        assert final["data"]["text"] == "alpha bravo charlie"
        assert final["seq"] > 0
        peer.send('{"cmd":"STOP"}')
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie"
    interims = [m for m in map(json.loads, peer.messages) if m["type"] == "transcription" and "seq" not in m]
    assert interims
    assert {m["data"]["segment_id"] for m in interims} == {final["data"]["segment_id"]}


async def test_the_server_may_make_the_offer(services: Services) -> None:
    client = await new_client(services)
    async with RtcClient(SOUND) as peer:
        offered = await services.peers.offer(client.transcript_id, SourceOptions())
        sdp, type_ = await peer.answer(offered.sdp, offered.type)
        await services.peers.accept(client.transcript_id, offered.session_id, sdp, type_)
        await peer.wait_connected()
        await peer.wait_message(lambda text: '"is_final":true' in text)
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie"


async def test_a_peer_that_comes_back_goes_on_with_its_track(services: Services) -> None:
    client = await new_client(services)
    async with RtcClient(SOUND) as peer:
        first = await connect(services, client, peer)
        await peer.wait_message(lambda text: '"is_final":true' in text)
    async with RtcClient(SOUND) as peer:
        second = await connect(services, client, peer, resume=first.resume_token)
        await peer.wait_message(lambda text: '"is_final":true' in text)
        peer.send('{"cmd":"STOP"}')
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    assert second.session_id == first.session_id
    [track] = await services.store.tracks_of(client.transcript_id)
    words = await words_of(services, client.transcript_id)
    assert texts(words) == "alpha bravo charlie alpha bravo charlie"
    assert words[3][1] > words[2][1] + 8000  # its time went on: the first three were final before it came back
    assert track.length_samples > words[5][1]


async def test_a_refused_description_leaves_no_session(services: Services) -> None:
    client = await new_client(services)
    with pytest.raises(SdpError):
        await services.peers.answer(client.transcript_id, "v=0\r\nnonsense", "offer", SourceOptions())
    with pytest.raises(NotFound):
        await services.peers.accept(client.transcript_id, "ses_0", "v=0", "answer")
    for session in list(services.hub.sessions.values()):
        await session.stop()
    assert not services.hub.sessions


async def test_a_peer_of_another_node_is_where_its_transcript_is(services: Services) -> None:
    client = await new_client(services)
    await services.store.nodes.join("nod_other", url="", keys_digest="")
    assert await services.store.nodes.hold(client.transcript_id, "nod_other") is None
    with pytest.raises(HeldElsewhere) as told:
        await services.peers.end(client.transcript_id, "ses_0")
    assert told.value.node_id == "nod_other"
    with pytest.raises(HeldElsewhere):
        await services.peers.require(client.transcript_id, "ses_0")


@pytest.mark.parametrize("ending", ["by the client", "server stops"])
async def test_what_waits_for_a_lost_packet_is_heard_when_our_side_ends(services: Services, ending: str) -> None:
    client = await new_client(services)
    async with RtcClient(SOUND) as peer:
        described = await connect(services, client, peer)
        await peer.wait_message(lambda text: '"type":"transcription"' in text)
        source = services.peers._sources[described.session_id]
        receiver, pipeline = source.peer._receiver, source.session.pipeline
        timeline, reception = receiver.timeline, receiver._reception
        assert timeline._next is not None
        assert reception is not None
        # One packet is missing, and the next is there. The loop does not turn, so the client's own do not come between.
        before = pipeline.length_samples
        sequence, timestamp = timeline._next + 1, timeline._anchor_timestamp + 2 * 960
        receiver._take(sequence, timestamp, reception.ssrc, sweep_packets(0.2)[0])
        assert pipeline.length_samples == before
        if ending == "by the client":
            await services.peers.end(client.transcript_id, described.session_id)
        else:
            await services.peers.stop()
        assert pipeline.length_samples == before + 2 * 320


async def test_unknown_actions_on_the_channel_get_a_typed_error(services: Services) -> None:
    client = await new_client(services)
    async with RtcClient(SOUND) as peer:
        await connect(services, client, peer)
        peer.send("not json")
        error = json.loads(await peer.wait_message(lambda text: '"type":"error"' in text))
        assert (error["data"]["code"], error["data"]["recoverable"]) == ("INVALID_MESSAGE", True)
        peer.send('{"action":"pause"}')
        paused = json.loads(await peer.wait_message(lambda text: '"status":"paused"' in text))
        assert paused["data"]["audio"] == "paused"


async def refusal(services: Services, client: Client, peer: RtcClient, resume: str) -> EarshotError | None:
    """What a peer is told that goes on with the session: why not, by the answer or on its channel; None: it speaks."""
    try:
        await connect(services, client, peer, resume=resume)
    except EarshotError as error:
        return error
    await asyncio.wait(
        [asyncio.create_task(peer.closed.wait()), asyncio.create_task(asyncio.sleep(1.0))],
        return_when=asyncio.FIRST_COMPLETED,
    )
    told = [json.loads(text)["data"]["code"] for text in peer.messages if '"type":"error"' in text]
    return Replaced("told on the channel") if told == ["REPLACED"] else None


async def test_of_five_that_go_on_with_one_token_at_once_one_speaks_and_the_others_are_told(services: Services) -> None:
    client = await new_client(services)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(RtcClient(SOUND))
        token = (await connect(services, client, first)).resume_token
        await first.wait_message(lambda text: '"is_final":true' in text)
        peers = [await stack.enter_async_context(RtcClient(SOUND)) for _ in range(5)]
        told = await asyncio.gather(*(refusal(services, client, peer, token) for peer in peers))
        assert [error for error in told if error is not None and not isinstance(error, Replaced)] == []
        [speaks] = [peer for peer, error in zip(peers, told, strict=True) if error is None]
        assert speaks.pc.connectionState == "connected"
        await first.wait_message(lambda text: "REPLACED" in text)
        [session] = services.hub.sessions.values()
        assert session.attached
        await speaks.wait_message(lambda text: '"is_final":true' in text)
        speaks.send('{"cmd":"STOP"}')
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    assert texts(await words_of(services, client.transcript_id)).endswith("alpha bravo charlie")


async def test_a_peer_that_was_answered_and_then_replaced_is_told_once_it_is_there(services: Services) -> None:
    client = await new_client(services)
    async with RtcClient(SOUND) as late, RtcClient(SOUND) as peer:

        async def exchange(sdp: str, type_: str) -> tuple[str, str]:
            answered = await services.peers.answer(client.transcript_id, sdp, type_, SourceOptions())
            await connect(services, client, peer, resume=answered.resume_token)
            return answered.sdp, answered.type

        await late.connect(exchange)
        await late.wait_message(lambda text: "REPLACED" in text)
        await peer.wait_message(lambda text: '"is_final":true' in text)
        [session] = services.hub.sessions.values()
        assert session.attached
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie"


async def test_a_peer_that_was_replaced_before_its_channel_opened_is_told_when_it_opens(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = asyncio.Event()
    on_state = PeerSource.on_state

    def tell_state(source: PeerSource, state: SessionState, reason: str) -> None:
        on_state(source, state, reason)
        moved.set()

    monkeypatch.setattr(PeerSource, "on_state", tell_state)
    # It is held back for as long as another peer takes to connect, however slow that is here.
    monkeypatch.setattr("server.peer_source.CHANNEL_OPENS_S", 60.0)
    client = await new_client(services)
    async with RtcClient(SOUND) as late, RtcClient(SOUND) as peer:
        late.channel_may_open.clear()
        connecting = asyncio.create_task(connect(services, client, late))
        async with asyncio.timeout(20):
            await moved.wait()
        assert services.peers.places.connecting == 0
        [session] = services.hub.sessions.values()
        await connect(services, client, peer, resume=session.resume_token)
        late.channel_may_open.set()
        await connecting
        await late.wait_message(lambda text: "REPLACED" in text)
        await late.closed.wait()
        await peer.wait_message(lambda text: '"is_final":true' in text)


async def test_a_worthless_offer_with_the_token_leaves_the_one_that_speaks_alone(services: Services) -> None:
    client = await new_client(services)
    async with RtcClient(SOUND) as peer:
        described = await connect(services, client, peer)
        with pytest.raises(SdpError):
            await services.peers.answer(
                client.transcript_id, "v=0", "offer", SourceOptions(), resume_token=described.resume_token
            )
        await peer.wait_message(lambda text: '"is_final":true' in text)
        assert not [text for text in peer.messages if "REPLACED" in text]
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie"


async def test_a_worthless_offer_makes_no_track(services: Services) -> None:
    client = await new_client(services)
    with pytest.raises(SdpError):
        await services.peers.answer(client.transcript_id, "v=0\r\nnonsense", "offer", SourceOptions())
    assert await services.store.tracks_of(client.transcript_id) == []


async def test_offers_that_never_connect_are_no_load_and_one_that_does_is(services: Services) -> None:
    def heard_live() -> int:
        return sum(worker.live for worker in services.asr.workers)

    client = await new_client(services)
    for number in range(16):  # of speakers twelve would be let in at once
        await services.peers.offer(client.transcript_id, SourceOptions(track=f"desk-{number}"))
    assert heard_live() == 0
    async with RtcClient(SOUND) as peer:
        await connect(services, client, peer)
        assert heard_live() == 1
        await peer.wait_message(lambda text: '"is_final":true' in text)
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie"


async def test_a_peer_that_never_came_leaves_no_track_and_may_try_again_with_its_token(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        described = await services.peers.offer(client.transcript_id, SourceOptions(speaker="Anna"))
        async with RtcClient(SOUND) as peer:
            await connect(services, client, peer)  # beside the one that never comes
            await peer.wait_message(lambda text: '"is_final":true' in text)
        sound = await sound_of(services, client.transcript_id, None)
        assert sound.length_samples > 0
        came_in_vain = services.hub.sessions[described.session_id]
        came_in_vain.end(None)
        await came_in_vain.finish_soon()
        [track] = await services.store.tracks_of(client.transcript_id)
        assert sound.key == track.id
        folder = services.settings.recordings_dir / client.transcript_id
        assert [path.name for path in folder.iterdir()] == [track.id]
        async with RtcClient(SOUND) as peer:
            again = await connect(services, client, peer, resume=described.resume_token, speaker="Anna")
            assert again.resume_token != described.resume_token
            peer.send('{"cmd":"STOP"}')
        tracks = await services.store.tracks_of(client.transcript_id)
        assert len({each.speaker for each in tracks}) == len(tracks) == 2
