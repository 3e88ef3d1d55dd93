"""The sound of rooms: each participant hears all the others, and never themselves.

A room is there while somebody is in it. One task ticks for all rooms, and only while there are any: it mixes and sends
on the event loop, a few participants at a time, and has threads encode in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from media.mixed_streams import MixedStreams, Work
from media.mixer import FRAME_MS, FRAME_SAMPLES, Mixer
from protocol.blocks import Block
from server.metrics import Metrics

log = structlog.get_logger(__name__)

TICK_S = FRAME_MS / 1000
SLICE_S = 0.002
"""So long at a time the event loop is ours."""
BEHIND_MAX_TICKS = 5
"""A loop that was busy is caught up with; one that was busier has lost that sound."""
THREADS_MAX = 4
WORK_OF_A_THREAD = 16
"""Frames that are encoded before another thread is worth its price."""


class Speak(Protocol):
    def __call__(self, packet: bytes | None, at_samples: int) -> None:
        """One Opus packet of 20 ms for a participant, or None for silence. Must not block."""


class RoomMember:
    """A participant in a room, by one connection. Without a room it does nothing.

    ``on_replaced``: the same participant came by another connection, which has the place now.
    """

    def __init__(
        self, sounds: RoomSounds, room: str | None, key: str, speak: Speak, on_replaced: Callable[[], None]
    ) -> None:
        self.key = key
        self.speak = speak
        self._sounds = sounds
        self._name = room
        self._on_replaced = on_replaced
        self._room: _Room | None = None

    def join(self) -> None:
        """Hear the others from now on, and be heard. Nothing after ``leave``."""
        if self._name is not None and self._room is None:
            self._room = self._sounds.enter(self._name, self)

    def hear(self, block: Block) -> None:
        """What the participant says, for the others."""
        if self._room is not None:
            self._room.mixer.push(self.key, block)

    def leave(self) -> None:
        """Idempotent; nothing when another connection took the place."""
        room, self._room, self._name = self._room, None, None
        if room is not None:
            room.leave(self)

    def not_encoded(self, error: Exception) -> None:
        """What was to be heard could not be encoded."""
        if self._room is not None:
            self._room.failed(error)

    def give_way(self) -> None:
        self._room = self._name = None
        self._on_replaced()


class RoomSounds:
    """All rooms of this node. ``stop`` ends them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._rooms: dict[str, _Room] = {}
        self._task: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(min(THREADS_MAX, os.cpu_count() or 1), thread_name_prefix="room-sound")

    @property
    def rooms(self) -> int:
        return len(self._rooms)

    @property
    def members(self) -> int:
        return sum(len(room.members) for room in self._rooms.values())

    def enter(self, name: str, member: RoomMember) -> _Room:
        """A participant is in a room once: one that joins again takes the place of who was there, who is told."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room(on_empty=self._drop, on_fault=self._metrics.room_sounds_failed.inc)
        room.enter(member)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="room sound")
        return room

    def _drop(self, gone: _Room) -> None:
        for name in [name for name, room in self._rooms.items() if room is gone]:
            del self._rooms[name]

    async def stop(self) -> None:
        """Nobody hears anything any more. Idempotent."""
        self._rooms.clear()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self._threads.shutdown)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due_s, tick = loop.time(), 0
        while self._rooms:
            behind = int((loop.time() - due_s) / TICK_S)
            if behind > BEHIND_MAX_TICKS:
                self._metrics.room_ticks_missed.inc(behind)
                due_s += behind * TICK_S
                tick += behind
            await self._tick(tick)
            tick += 1
            due_s += TICK_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def _tick(self, tick: int) -> None:
        to_hear: list[tuple[RoomMember, Work | None]] = []
        spent_s = await _in_slices(self._mix(tick, to_hear))
        await self._encode([work for _, work in to_hear if work is not None])
        spent_s += await _in_slices(self._send(tick, to_hear))
        self._metrics.room_tick_s.observe(spent_s)

    def _mix(self, tick: int, to_hear: list[tuple[RoomMember, Work | None]]) -> Iterator[None]:
        for room in list(self._rooms.values()):
            try:
                to_hear += room.mix(tick)
            except Exception as error:
                room.failed(error)
                self._drop(room)
            yield

    async def _encode(self, wanted: Sequence[Work]) -> None:
        works = list({id(work): work for work in wanted}.values())  # many hear the same
        if not works:
            return
        count = min(THREADS_MAX, -(-len(works) // WORK_OF_A_THREAD))
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._threads, _do, works[n::count]) for n in range(count)))
        self._metrics.room_frames_encoded.inc(len(works))

    def _send(self, tick: int, to_hear: Sequence[tuple[RoomMember, Work | None]]) -> Iterator[None]:
        for member, work in to_hear:
            if work is not None and work.error is not None:
                member.not_encoded(work.error)
            try:
                member.speak(work.packet if work is not None else None, tick * FRAME_SAMPLES)
            except Exception:
                log.exception("a participant hears nothing any more")
                member.leave()
            yield


class _Room:
    def __init__(self, on_empty: Callable[[_Room], None], on_fault: Callable[[], None]) -> None:
        self.mixer = Mixer()
        self.members: dict[str, RoomMember] = {}
        self._streams = MixedStreams()
        self._on_empty = on_empty
        self._on_fault = on_fault
        self._has_failed = False

    def enter(self, member: RoomMember) -> None:
        before = self.members.get(member.key)
        self.mixer.add(member.key)
        self.members[member.key] = member
        if before is not None:
            before.give_way()

    def leave(self, member: RoomMember) -> None:
        if self.members.get(member.key) is member:
            del self.members[member.key]
            self.mixer.remove(member.key)
            self._streams.leave(member.key)
            if not self.members:
                self._on_empty(self)

    def failed(self, error: Exception) -> None:
        """Told once: what fails does so fifty times a second."""
        if not self._has_failed:
            self._has_failed = True
            self._on_fault()
            log.error("a room lost sound", exc_info=error)

    def mix(self, tick: int) -> list[tuple[RoomMember, Work | None]]:
        work = self._streams.work(self.mixer.mix(), self.members, tick)
        return [(member, work.get(key)) for key, member in self.members.items()]


def _do(works: Sequence[Work]) -> None:
    for work in works:
        work.do()


async def _in_slices(steps: Iterator[None]) -> float:
    """Take the steps; whenever ``SLICE_S`` are over, others have the loop. Returns how long it was ours."""
    now_s = asyncio.get_running_loop().time
    spent_s, began_s = 0.0, now_s()
    for _ in steps:
        ours_s = now_s() - began_s
        if ours_s > SLICE_S:
            spent_s += ours_s
            await asyncio.sleep(0)
            began_s = now_s()
    return spent_s + now_s() - began_s
