"""Our peer against a client by aiortc, on loopback. Fails when a release of aiortc moves what we stand on."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest

from media.webrtc.peer import BUFFER_MAX_BYTES, WebRtcPeer
from protocol.errors import SdpError
from protocol.states import SessionState
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.rtc_client import RtcClient


def tone(length_s: float, frequency_hz: float = 440.0) -> bytes:
    time_s = np.arange(int(length_s * 16_000)) / 16_000
    return (8_000 * np.sin(2 * np.pi * frequency_hz * time_s)).astype("<i2").tobytes()


async def test_sound_and_texts_pass_and_no_decoder_thread_is_there() -> None:
    listening = Listening()
    peer = WebRtcPeer(LOCAL, listening)
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
