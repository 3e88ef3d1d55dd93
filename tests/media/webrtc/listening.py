"""A listener that writes down what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from media.webrtc.peer_contract import PeerSettings
from protocol.blocks import BYTES_PER_SAMPLE, Block
from protocol.states import SessionState

LOCAL = PeerSettings(connect_deadline_s=60.0, loopback=True)


class Listening:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.arrived_s: list[float] = []
        self.messages: list[str] = []
        self.states: list[tuple[SessionState, str]] = []
        self.channel_open = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def end_samples(self) -> int:
        return self.blocks[-1].end_samples if self.blocks else 0

    @property
    def state(self) -> SessionState:
        return self.states[-1][0] if self.states else SessionState.CONNECTING

    def on_block(self, block: Block) -> None:
        assert block.start_samples == self.end_samples, "a gap was left, or sound overlaps"
        self.blocks.append(block)
        self.arrived_s.append(asyncio.get_running_loop().time())
        self._changed.set()

    def on_message(self, text: str) -> None:
        self.messages.append(text)
        self._changed.set()

    def on_channel_open(self) -> None:
        self.channel_open.set()

    def on_state(self, state: SessionState, reason: str) -> None:
        self.states.append((state, reason))
        self._changed.set()

    async def until(self, true: Callable[[], bool], timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    def pcm(self) -> bytes:
        sound = bytearray(self.end_samples * BYTES_PER_SAMPLE)
        for block in self.blocks:
            sound[block.start_samples * BYTES_PER_SAMPLE : block.end_samples * BYTES_PER_SAMPLE] = block.pcm
        return bytes(sound)
