"""WebRTC peers: who connects, which session each feeds, and how all of them end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import structlog

from media.webrtc.peer import WebRtcPeer, check_offer
from media.webrtc.peer_contract import PeerSettings
from media.webrtc.sdp import OpusWishes
from media.webrtc.udp_ports import UdpPorts
from protocol.errors import Conflict, NotFound
from server.client_address import UNKNOWN
from server.hub import Hub
from server.journal import Journal
from server.live import SourceOptions
from server.metrics import Metrics
from server.nodes.holding import Holding
from server.peer_places import PeerPlace, PeerPlaces
from server.peer_source import Described, MakeTalk, PeerSource, Unwelcome
from server.room_sounds import RoomSounds
from server.settings import Settings
from server.turn import own_stun

log = structlog.get_logger(__name__)


class Peers:
    """Connects WebRTC peers to live sessions."""

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        journal: Journal,
        metrics: Metrics,
        ports: UdpPorts | None = None,
        holding: Holding | None = None,
    ) -> None:
        self._ports = ports
        self._holding = holding
        self._hub = hub
        self._journal = journal
        self._settings = settings
        self._peer_settings = PeerSettings(
            connect_deadline_s=settings.connect_deadline_s,
            ice_servers=own_stun(settings.ice_servers),
            gone_after_s=settings.peer_gone_after_s,
            sdp_max_bytes=settings.sdp_max_bytes,
            loopback=settings.loopback,
            direct_tap=settings.direct_tap,
            private_clients=settings.private_clients,
            opus=OpusWishes(settings.opus_wideband, settings.opus_dtx, settings.opus_packet_ms),
        )
        self._metrics = metrics
        self.sounds = RoomSounds(metrics)
        self.places = PeerPlaces(
            connecting_max=settings.peers_connecting_max,
            per_address_max=settings.peers_per_address_max,
            connect_deadline_s=settings.connect_deadline_s,
        )
        self._sources: dict[str, PeerSource] = {}  # by session id: the one that is attached
        self._open: set[PeerSource] = set()  # those too that another took the session over from
        self._closing: set[asyncio.Task[None]] = set()

    async def answer(
        self,
        transcript_id: str,
        sdp: str,
        type: str,
        options: SourceOptions,
        *,
        resume_token: str | None = None,
        address: str = UNKNOWN,
        resumable: bool = True,
        room: str | None = None,
        talk: MakeTalk | None = None,
        unwelcome: Unwelcome | None = None,
    ) -> Described:
        """Our answer to a client's offer; its peer is counted by ``address``.

        In a ``room`` the client hears everybody else in it, if its offer wants to hear. Who it is there, its track's
        name says (``options.track``), so each participant needs one: who joins again by it takes the place of the one
        before, whose session ends.

        ``talk``: what is said on the data channel, where that is not our own messages. ``unwelcome``: its peer ends
        when that raises.

        Unless ``resumable``, the client is not told the resume token: its session ends with its connection.
        Raises ``SdpError``, ``TooLarge``, ``TooManyPeers``, whatever ``Hub.attach`` raises, and ``Replaced`` when
        another took the session over meanwhile.
        """
        # Before it costs anything: a place, a track, or a peer that speaks.
        check_offer(self._peer_settings, sdp, type, speaks=room is not None)
        answering = partial(WebRtcPeer.answer, sdp=sdp, type=type)
        source = await self._source(
            transcript_id, options, resume_token, address, answering, resumable=resumable, room=room, talk=talk
        )
        if unwelcome is not None:
            source.watch(unwelcome)
        return source.described

    async def offer(
        self,
        transcript_id: str,
        options: SourceOptions,
        *,
        resume_token: str | None = None,
        address: str = UNKNOWN,
        unwelcome: Unwelcome | None = None,
    ) -> Described:
        """Our offer; the client's answer comes by ``accept``. Raises as ``answer``."""
        source = await self._source(transcript_id, options, resume_token, address, lambda peer: peer.offer())
        if unwelcome is not None:
            source.watch(unwelcome)
        return source.described

    async def accept(self, transcript_id: str, session_id: str, sdp: str, type: str) -> None:
        """The client's answer to our offer. Raises ``NotFound``, ``HeldElsewhere``, ``SdpError``, ``TooLarge``."""
        await (await self._source_of(transcript_id, session_id)).peer.accept(sdp, type)

    async def require(self, transcript_id: str, session_id: str) -> None:
        """Raise ``NotFound``, or ``HeldElsewhere``, unless this session's peer is here, connected or about to be."""
        await self._source_of(transcript_id, session_id)

    async def add_candidates(self, transcript_id: str, session_id: str, fragment: str) -> bool:
        """The client's later candidates; False where they ask for an ICE restart, which is not done.

        Raises ``NotFound``, ``SdpError``, ``TooLarge``.
        """
        return await (await self._source_of(transcript_id, session_id)).peer.add_candidates(fragment)

    async def end(self, transcript_id: str, session_id: str) -> None:
        """The client is done: its peer is closed, and the last finals are made. Raises ``NotFound``."""
        source = await self._source_of(transcript_id, session_id)
        source.session.end(None)
        source.close_soon("ended by the client")

    async def stop(self) -> None:
        """Close every peer; those too that are closing just now."""
        for source in list(self._open):
            source.close_soon("the server stops")
        await asyncio.gather(*self._closing)
        await self.sounds.stop()

    async def _source(
        self,
        transcript_id: str,
        options: SourceOptions,
        resume_token: str | None,
        address: str,
        describe: Callable[[WebRtcPeer], Awaitable[tuple[str, str]]],
        *,
        resumable: bool = True,
        room: str | None = None,
        talk: MakeTalk | None = None,
    ) -> PeerSource:
        """A peer that is described, and then its session's source: one that cannot be replaces nobody."""
        place = self.places.take(address, instead_of=self._place_before(transcript_id, resume_token))
        try:
            session = await self._hub.attach(
                transcript_id,
                replace(options, source="webrtc", takes_over=room is not None),
                resume_token=resume_token,
            )
        except BaseException:
            place.free()
            raise
        source = PeerSource(
            self._peer_settings,
            session,
            self._hub,
            self._journal,
            self._settings,
            place,
            self._on_close,
            self._ports,
            self.sounds,
            room,
            talk,
        )
        source.resumable = resumable
        self._open.add(source)
        try:
            sdp, type_ = await describe(source.peer)
            if session.finishing is not None:
                raise session.ended_by or Conflict("the recording was stopped while you asked for it; offer again")
            source.described = Described(sdp, type_, session.session_id, session.resume_token)
            session.attach(source.ended, connected=False)
            self._sources[session.session_id] = source
            await session.drop_source()
            if source.sent_away is not None:
                raise source.sent_away
            source.answered = True
        except BaseException:
            await source.refuse()
            raise
        return source

    def _place_before(self, transcript_id: str, resume_token: str | None) -> PeerPlace | None:
        """A peer that comes back does not wait until the server has seen that the one before it is gone.

        One that is still connecting keeps its place: it is told that it was replaced as soon as it can be.
        """
        for source in self._sources.values():
            session = source.session
            if session.transcript_id == transcript_id and session.resume_token == resume_token:
                return None if source.place.is_connecting else source.place
        return None

    async def _source_of(self, transcript_id: str, session_id: str) -> PeerSource:
        source = self._sources.get(session_id)
        if source is None and self._holding is not None:
            await self._holding.check(transcript_id)  # a peer is where its transcript is
        if source is None or source.session.transcript_id != transcript_id or source.session.finishing is not None:
            raise NotFound("no such session")
        return source

    def _on_close(self, source: PeerSource, closing: asyncio.Task[None]) -> None:
        self._open.discard(source)
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._metrics.packets_lost.inc(source.peer.stats.lost)
        self._metrics.samples_concealed.inc(source.peer.stats.concealed)
        if self._sources.get(source.session.session_id) is source:
            del self._sources[source.session.session_id]
