"""One WebRTC peer as the source of one live session: its sound in, its events and actions on the data channel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from media.webrtc.peer import WebRtcPeer
from media.webrtc.peer_contract import PeerSettings
from media.webrtc.udp_ports import UdpPorts
from protocol.blocks import Block
from protocol.errors import BadInput, EarshotError, RateLimited, Replaced, SlowReader
from protocol.events import Event
from protocol.states import SessionState
from protocol.wire import v1
from protocol.wire.v1 import Action
from server.hub import Hub
from server.journal import Journal
from server.live import LiveSession
from server.peer_places import PeerPlace
from server.room_sounds import RoomMember, RoomSounds
from server.settings import Settings

TEXTS_WAITING_MAX = 32  # a client's actions; a person makes a few a minute
CHANNEL_RETRY_S = 0.05
CHANNEL_OPENS_S = 5.0  # from the connection to its data channel are two round trips


@dataclass(frozen=True, slots=True)
class Described:
    """One side's session description, and the session it belongs to."""

    sdp: str
    type: str
    session_id: str
    resume_token: str


class ChannelTalk(Protocol):
    """What is said on a peer's data channel where that is not our own messages. ``run`` ends with the channel."""

    async def run(self, session: LiveSession) -> None:
        """From when the channel is open: tell what is heard, for ever."""

    async def act(self, text: str) -> None:
        """Do what the client sends."""

    def render_error(self, error: EarshotError) -> dict[str, Any]:
        """A message that tells it."""

    def over(self, session: LiveSession) -> None:
        """The peer is closed."""


Send = Callable[[dict[str, Any]], Awaitable[None]]
MakeTalk = Callable[[Send], ChannelTalk]

Unwelcome = Callable[[], Coroutine[Any, Any, None]]
"""Waits until somebody who was let in would not be let in any more, and raises why (``EarshotError``)."""


class PeerSource:
    """One peer as the source of one session. What comes from the wire arrives on the loop and never blocks it."""

    def __init__(
        self,
        peer_settings: PeerSettings,
        session: LiveSession,
        hub: Hub,
        journal: Journal,
        settings: Settings,
        place: PeerPlace,
        on_close: Callable[[PeerSource, asyncio.Task[None]], None],
        ports: UdpPorts | None,
        sounds: RoomSounds,
        room: str | None,
        talk: MakeTalk | None = None,
    ) -> None:
        self._talk = talk(self._send_patiently) if talk is not None else None
        self.session = session
        self.resumable = True
        self.described = Described("", "", session.session_id, session.resume_token)
        self.answered = False  # the client has, or will have, our description
        self.sent_away: EarshotError | None = None  # why our side ended the attachment
        self.place = place
        self.peer = WebRtcPeer(peer_settings, self, ports=ports, speaks=room is not None)
        self._member = RoomMember(sounds, room, session.track.name, self.peer.speak, self._joined_elsewhere)
        self._hub = hub
        self._journal = journal
        self._settings = settings
        self._on_close = on_close
        self._origin_samples: int | None = None  # the track sample where the peer's own count begins
        self._closing: asyncio.Task[None] | None = None
        # Policy: refuse. One task takes them in order.
        self._texts: asyncio.Queue[str] = asyncio.Queue(maxsize=TEXTS_WAITING_MAX)
        self._tasks: set[asyncio.Task[Any]] = set()

    # What the peer tells.

    def on_block(self, block: Block) -> None:
        if self._closing is not None or self.sent_away is not None:
            return
        if not self.session.muted:
            self._member.hear(block)
        if self._origin_samples is None:
            self._origin_samples = self.session.place() - block.start_samples
        try:
            self.session.feed(block.moved(self._origin_samples))
        except EarshotError as error:
            self.session.end(error)

    def on_channel_open(self) -> None:
        if self.sent_away is not None:
            self._send(self._rendered(self.sent_away))
            self.close_soon(self.sent_away.code)
            return
        self._go(self._tell_events() if self._talk is None else self._let(self._talk.run(self.session)), "events")
        self._go(self._act_in_order() if self._talk is None else self._let(self._act_in_order()), "actions")

    def on_message(self, text: str) -> None:
        try:
            self._texts.put_nowait(text)
        except asyncio.QueueFull:
            self._send(self._rendered(RateLimited("too many actions at once")))

    def on_state(self, state: SessionState, reason: str) -> None:
        if state is SessionState.LIVE:
            self.place.connected()
            self.session.connected(self.ended)
            self._member.join()
        if state is SessionState.CLOSED and self._closing is None:
            self.close_soon(reason)
            self.session.lost(self.ended, reason)
            if not self.resumable:
                self.session.finish_soon()

    def _joined_elsewhere(self) -> None:
        self.session.end(Replaced("this participant joined the room by another connection"))

    # What the session tells.

    def ended(self, error: EarshotError | None) -> None:
        """Our side ended the attachment."""
        self._member.leave()
        self.sent_away = error
        self.peer.end_sound()  # from here on the session hears nothing more
        told = error is None or self._send(self._rendered(error))
        if error is None or error.retryable:
            # The recording was stopped, or we drain: the peer stays a little for its last finals.
            self._go(self._close_after_finals(), "close after finals")
        elif told or not (self.answered and self.peer.awaits_channel):
            self.close_soon(error.code)
        elif self.peer.state is not SessionState.CONNECTING:
            self._go(self._close_untold(error.code), "close untold")
        # Else it has no way to be told yet, and would connect in vain: when it is there, or its deadline is over.

    async def _close_untold(self, reason: str) -> None:
        await asyncio.sleep(CHANNEL_OPENS_S)  # it is told, and this ends, when its channel opens
        self.close_soon(reason)

    async def _close_after_finals(self) -> None:
        await asyncio.wait([self.session.finish_soon()], timeout=self._settings.drain_deadline_s)
        await asyncio.sleep(0)  # the last events are on their way to the channel
        self.close_soon("stopped")

    def watch(self, unwelcome: Unwelcome) -> None:
        """End the peer when whoever speaks by it is ``unwelcome``; with another credential they may come back."""
        self._go(self._turn_away(unwelcome), "watch")

    async def _turn_away(self, unwelcome: Unwelcome) -> None:
        try:
            await unwelcome()
        except EarshotError as error:
            if self.sent_away is not None:
                return
            self.session.lost(self.ended, error.code)
            self.ended(error)
            if not self.resumable:
                self.session.finish_soon()

    async def refuse(self) -> None:
        """The handshake failed: nothing of this session is worth keeping, unless it is another's, too."""
        try:
            if self.session.attached:
                self.session.lost(self.ended, "no connection was made")
            else:
                self.session.abandon()
        finally:
            await self.close("refused")

    async def close(self, reason: str) -> None:
        """Close the peer and everything it started. Idempotent; must not be called by what it started."""
        await asyncio.shield(self.close_soon(reason))

    def close_soon(self, reason: str) -> asyncio.Task[None]:
        """Begin to close; the task that ends when all is closed."""
        self.peer.end_sound()  # while we still listen to it
        self._member.leave()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason), name=f"close peer {self.session.session_id}")
            self._on_close(self, self._closing)
        return self._closing

    async def _close(self, reason: str) -> None:
        started = list(self._tasks)
        for task in started:
            task.cancel()
        try:
            await asyncio.gather(*started, return_exceptions=True)
            await self.peer.close(reason)
        finally:
            self.place.free()
            if self._talk is not None:
                self._talk.over(self.session)

    async def _act_in_order(self) -> None:
        while True:
            text = await self._texts.get()
            if self.sent_away is None:  # the session may have another source by now
                await (self._act(text) if self._talk is None else self._talk.act(text))

    async def _act(self, text: str) -> None:
        transcript_id = self.session.transcript_id
        try:
            action = v1.parse_action(text)
            if action is Action.STOP:
                self.session.end(None)
                return
            if action is Action.PAUSE:
                await self._hub.pause_session(self.session, paused=True)
            elif action in (Action.RESUME, Action.START):
                await self._hub.pause_session(self.session, paused=False)
            elif action is Action.PONG:
                return
            status, lag_ms = await self._hub.status(transcript_id)
            self._send(v1.render_status(status, lag_ms=lag_ms))
        except EarshotError as error:
            self._send(v1.render_error(error, recoverable=isinstance(error, BadInput) or error.retryable))

    async def _let(self, talk: Awaitable[None]) -> None:
        try:
            await talk
        except EarshotError as error:
            self._send(self._rendered(error))
            self.close_soon(error.code)  # there is no other way to be told what is heard

    def _rendered(self, error: EarshotError) -> dict[str, Any]:
        if self._talk is not None:
            return self._talk.render_error(error)
        return v1.render_error(error, recoverable=error.retryable)

    async def _tell_events(self) -> None:
        """The listening socket's messages, from the live edge on."""
        try:
            async with self._journal.subscribe(
                self.session.transcript_id,
                after=None,
                types=None,
                queue_max=self._settings.subscriber_queue_max,
                among=None,
            ) as subscription:
                async for item in subscription:
                    message = v1.render(item) if isinstance(item, Event) else v1.render_interim(item)
                    await self._send_patiently(message)
        except EarshotError as error:
            self._send(v1.render_error(error, recoverable=True))

    async def _send_patiently(self, message: dict[str, Any]) -> None:
        deadline_s = asyncio.get_running_loop().time() + self._settings.write_deadline_s
        while not self._send(message):
            if asyncio.get_running_loop().time() > deadline_s:
                raise SlowReader("the data channel takes no messages; use the listening socket")
            await asyncio.sleep(CHANNEL_RETRY_S)

    def _send(self, message: dict[str, Any]) -> bool:
        return self.peer.send(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    def _go(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._closing is not None:
            work.close()  # nobody would end it any more
            return
        task = asyncio.create_task(work, name=f"{name} {self.session.session_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
