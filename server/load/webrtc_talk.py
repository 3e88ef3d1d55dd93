"""A live session over WebRTC: our own peer on the other side of the table, its sound encoded once for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from media.opus_encoder import FRAME_BYTES, FRAME_SAMPLES, open_encoder
from media.webrtc.peer import WebRtcPeer
from media.webrtc.peer_contract import PeerSettings
from media.webrtc.udp_ports import UdpPorts
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import EarshotError
from protocol.states import SessionState
from server.commands.addresses import Ways
from server.commands.patience import Patience
from server.load.rest import ENDED, CallFailed, Rest
from server.load.sound import LoadSound
from server.load.talk import Talk

CONNECT_S = 20.0
LAST_WORDS_S = 30.0
GIVE_UP_S = 90.0
PEER = PeerSettings(loopback=True)


def encoded(sound: LoadSound) -> list[bytes]:
    """One round as packets of 20 ms. Blocking. Raises OSError."""
    encoder = open_encoder()
    return [encoder.encode(sound.pcm[at : at + FRAME_BYTES]) for at in range(0, len(sound.pcm), FRAME_BYTES)]


class _Line:
    """One connection, as its peer tells of it."""

    def __init__(self, talk: WebRtcTalk) -> None:
        self._talk = talk
        self.live = asyncio.Event()
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.completed = asyncio.Event()

    def on_block(self, block: Block) -> None:
        pass  # we are not spoken to

    def on_message(self, text: str) -> None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            message: dict[str, Any] = json.loads(text)
            if message.get("type") == "error":
                self._talk.take_error(message["data"])
            elif message.get("type") == "status" and message["data"].get("status") in ENDED:
                self.completed.set()
            self._talk.take(message)

    def on_channel_open(self) -> None:
        self.opened.set()

    def on_state(self, state: SessionState, reason: str) -> None:
        if state is SessionState.LIVE:
            self.live.set()
        elif state is SessionState.CLOSED:
            self.closed.set()


class WebRtcTalk(Talk):
    """What is said while there is no connection is lost: WebRTC sends nothing again."""

    kind = "webrtc"

    async def speak(self, ways: Ways, rest: Rest, ports: UdpPorts, packets: list[bytes]) -> None:
        """To the end, or until there is no time left to begin. Raises nothing: ``failure`` says what went wrong."""
        patience, token, peer = Patience(GIVE_UP_S), None, None
        try:
            while self.failure == "":
                line = _Line(self)
                peer = WebRtcPeer(PEER, line, ports=ports, speaks=True)
                try:
                    token = await self._connect(peer, line, ways, rest, token)
                    self.began()
                    patience.worked()
                    if await self._say(peer, line, packets):
                        return self.ended()
                except (EarshotError, TimeoutError) as error:
                    self.tally.errors.add(error.code if isinstance(error, EarshotError) else "NOT_CONNECTED")
                finally:
                    await peer.close()
                wait_s = patience.failed(time.monotonic())
                if wait_s is None or (self.began_s is None and time.monotonic() + wait_s > self.latest_s):
                    return self.ended("gone for too long")
                await asyncio.sleep(wait_s)
        except CallFailed as failed:
            self.was_refused = failed.is_refusal
            self.ended(failed.code)
        finally:
            self.ended("cancelled")

    async def _connect(self, peer: WebRtcPeer, line: _Line, ways: Ways, rest: Rest, token: str | None) -> str:
        sdp, kind = await peer.offer()
        body = {"sdp": sdp, "type": kind, **({"resume_token": token} if token else {})}
        path = f"/v1/transcripts_webrtc/{self.transcript_id}/offer"
        within_s = GIVE_UP_S if token else max(self.latest_s - time.monotonic(), 0.0)
        answer = await rest.call(ways, "POST", path, within_s, json=body)
        await peer.accept(answer["sdp"], answer["type"])
        async with asyncio.timeout(CONNECT_S):
            await line.live.wait()
            await line.opened.wait()
        return str(answer["resume_token"])

    async def _say(self, peer: WebRtcPeer, line: _Line, packets: list[bytes]) -> bool:
        """Whether it came to its end; else the connection was lost."""
        assert self.began_s is not None
        gone_by = int((time.monotonic() - self.began_s) * SAMPLE_RATE_HZ) // FRAME_SAMPLES * FRAME_SAMPLES
        at = max(self.sent_samples, gone_by)
        while at < self.total_samples and not self._stopping.is_set():
            await self.due(at + FRAME_SAMPLES)
            if line.closed.is_set():
                return False
            peer.speak(packets[at // FRAME_SAMPLES % len(packets)], at)
            at += FRAME_SAMPLES
            self.sent(at)
        line.completed.clear()
        peer.send(json.dumps({"cmd": "STOP"}))
        with contextlib.suppress(TimeoutError):  # the transcript itself is asked afterwards
            async with asyncio.timeout(LAST_WORDS_S):
                await line.completed.wait()
        return True
