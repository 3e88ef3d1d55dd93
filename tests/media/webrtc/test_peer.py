"""Our peer against a client by aiortc, on loopback. Fails when a release of aiortc moves what we stand on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from media.webrtc.peer import BUFFER_MAX_BYTES
from media.webrtc.peer_contract import PeerSettings
from protocol.errors import Internal, SdpError
from protocol.states import SessionState
from tests.media.webrtc.conftest import Opened
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.rtc_client import RtcClient


def tone(length_s: float, frequency_hz: float = 440.0) -> bytes:
    time_s = np.arange(int(length_s * 16_000)) / 16_000
    return (8_000 * np.sin(2 * np.pi * frequency_hz * time_s)).astype("<i2").tobytes()


async def test_sound_and_texts_pass_and_no_decoder_thread_is_there(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient(tone(1.0)) as client:
        await client.connect(peer.answer)
        await listening.until(lambda: listening.end_samples >= 14_000)
        assert not [thread.name for thread in threading.enumerate() if "decoder" in thread.name]
        await listening.channel_open.wait()
        client.send("hello")
        await listening.until(lambda: listening.messages == ["hello"])
        assert peer.send('{"type": "transcribed"}')
        await client.wait_message(lambda text: "transcribed" in text)
        heard = np.frombuffer(listening.pcm(), "<i2")[4_000:12_000].astype(float)
        spectrum = np.abs(np.fft.rfft(heard))
        assert abs(int(spectrum.argmax()) * 16_000 / len(heard) - 440) < 5
        assert peer.stats.lost == 0
        assert peer.stats.received_samples == listening.end_samples
        await peer.close("done")
    assert [state for state, _ in listening.states] == [SessionState.LIVE, SessionState.CLOSED]
    assert listening.states[-1][1] == "done"


async def test_our_offer_is_answered(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient(tone(0.5)) as client:
        sdp, type_ = await peer.offer()
        assert "a=recvonly" in sdp
        assert "a=candidate" in sdp
        await peer.accept(*await client.answer(sdp, type_))
        await client.wait_connected()
        await listening.until(lambda: listening.end_samples >= 6_000)
        assert peer.send("from the server")
        await client.wait_message(lambda text: text == "from the server")
        client.send("from the client")
        await listening.until(lambda: listening.messages == ["from the client"])
        await peer.close()


async def test_an_answer_is_whole_and_says_what_we_want_of_opus(opened: Opened) -> None:
    peer = opened(LOCAL, Listening())
    async with RtcClient() as client:
        answers: list[str] = []

        async def exchange(sdp: str, type_: str) -> tuple[str, str]:
            answer = await peer.answer(sdp, type_)
            answers.append(answer[0])
            return answer

        await client.connect(exchange)
        await peer.close()
    lines = answers[0].splitlines()
    assert any(line.startswith("a=candidate") and " 127.0.0.1 " in line for line in lines)
    assert "a=end-of-candidates" in lines
    fmtp = [line for line in lines if line.startswith("a=fmtp")]
    assert len(fmtp) == 1
    assert "maxplaybackrate=16000" in fmtp[0]
    assert "useinbandfec=1" in fmtp[0]
    assert "usedtx=1" in fmtp[0]
    assert [line.split("rtpmap:")[1].split()[1] for line in lines if "rtpmap" in line] == ["opus/48000/2"]


async def test_a_client_that_closes_ends_the_peer_at_once(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient(tone(0.2)) as client:
        await client.connect(peer.answer)
        await listening.until(lambda: listening.end_samples > 0)
    await listening.until(lambda: listening.state is SessionState.CLOSED)
    assert listening.states[-1][1] == "closed by the peer"
    await peer.close()


async def test_a_peer_that_closes_ends_the_client_at_once(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient(tone(0.2)) as client:
        await client.connect(peer.answer)
        await peer.close("enough")
        await peer.close("twice is the same")
        async with asyncio.timeout(60):
            await client.closed.wait()
    assert [reason for _, reason in listening.states] == ["connected", "enough"]
    assert not peer.send("too late")


async def test_a_client_that_never_comes_is_given_up(opened: Opened) -> None:
    listening = Listening()
    peer = opened(replace(LOCAL, connect_deadline_s=0.3), listening)
    await peer.offer()
    await listening.until(lambda: listening.state is SessionState.CLOSED)
    assert listening.states == [(SessionState.CLOSED, "not connected in time")]
    await peer.close()


async def test_closing_while_connecting_leaves_nothing(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient() as client:
        client.pc.addTrack(client.track)
        await client.pc.setLocalDescription()
        await peer.answer(client.pc.localDescription.sdp, "offer")
        await asyncio.sleep(0)
        await peer.close()
    assert [state for state, _ in listening.states] == [SessionState.CLOSED]


async def test_a_listener_that_fails_ends_the_peer_and_nothing_else(opened: Opened) -> None:
    class Failing(Listening):
        def on_message(self, text: str) -> None:
            raise RuntimeError("a bug")

    listening = Failing()
    peer = opened(LOCAL, listening)
    async with RtcClient() as client:
        await client.connect(peer.answer)
        client.send("bang")
        await listening.until(lambda: listening.state is SessionState.CLOSED)
    assert listening.states[-1][1] == "internal error"
    await peer.close()


async def test_a_full_channel_refuses_more(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient() as client:
        await client.connect(peer.answer)
        await listening.channel_open.wait()
        text = "x" * 60_000
        sent = 0
        while peer.send(text):
            sent += 1
        assert BUFFER_MAX_BYTES < peer.buffered_bytes <= BUFFER_MAX_BYTES + len(text)
        assert sent <= 19
        await peer.close()


async def test_wrong_types_are_refused(opened: Opened) -> None:
    peer = opened(LOCAL, Listening())
    with pytest.raises(SdpError):
        await peer.answer("v=0", "answer")
    with pytest.raises(SdpError):
        await peer.accept("v=0", "offer")
    await peer.close()


async def test_a_peer_is_described_once(opened: Opened) -> None:
    peer = opened(LOCAL, Listening())
    await peer.offer()
    with pytest.raises(SdpError):
        await peer.offer()
    await peer.close()


async def test_a_caller_that_gives_up_or_closes_meanwhile_leaves_no_socket(opened: Opened) -> None:
    async with RtcClient() as client:
        client.pc.addTrack(client.track)
        await client.pc.setLocalDescription()
        for turns in range(1, 12):
            listening = Listening()
            peer = opened(LOCAL, listening)
            asked = asyncio.create_task(peer.answer(client.pc.localDescription.sdp, "offer"))
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns % 2:
                asked.cancel()
            await peer.close()
            with contextlib.suppress(asyncio.CancelledError, SdpError):
                await asked
            assert listening.state is SessionState.CLOSED
            assert all(not guard._connection._protocols for guard in peer._guards)


async def test_a_machine_with_loopback_only_is_enough(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [])
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient() as client:
        await client.connect(peer.answer)
        await listening.until(lambda: listening.end_samples > 0)
        await peer.close()


async def test_loopback_is_not_offered_unless_the_settings_say(opened: Opened) -> None:
    peer = opened(PeerSettings(), Listening())
    sdp, _ = await peer.offer()
    assert not [line for line in sdp.splitlines() if line.startswith("a=candidate") and " 127.0.0.1 " in line]
    await peer.close()


async def test_an_ice_server_that_is_no_url_is_our_own_fault(opened: Opened) -> None:
    peer = opened(replace(LOCAL, ice_servers=("http://nowhere",)), Listening())
    with pytest.raises(Internal):
        await peer.offer()
    await peer.close()


async def test_peers_that_came_and_went_leave_nothing_open(opened: Opened) -> None:
    async def once() -> None:
        listening = Listening()
        peer = opened(LOCAL, listening)
        async with RtcClient() as client:
            await client.connect(peer.answer)
            await listening.until(lambda: listening.end_samples > 0)
            await peer.close()

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc to count open files in")
    await once()
    before, tasks = open_files(), len(asyncio.all_tasks())
    for _ in range(10):
        await once()
    assert open_files() <= before
    assert len(asyncio.all_tasks()) == tasks


async def test_a_client_faster_than_time_is_heard_whole(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient(tone(4.0), speed=4.0) as client:
        await client.connect(peer.answer)
        await listening.until(lambda: listening.end_samples >= 4 * 16_000)
        await peer.close()
