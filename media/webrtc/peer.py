"""One WebRTC peer: a browser's sound in, as blocks, and texts both ways on the data channel ``events``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Collection, Sequence
from typing import Any, Literal

import structlog
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from media.webrtc.ciphers import take_rsa_certificates
from media.webrtc.fragment import read_fragment
from media.webrtc.guard import Guard
from media.webrtc.peer_contract import PeerListener, PeerSettings, PeerStats
from media.webrtc.receiver import OpusReceiver
from media.webrtc.sdp import CANDIDATES_MAX, Cleaned, Refused, clean, polish
from media.webrtc.sender import OpusSender
from media.webrtc.udp_mux import Reason, UdpMux
from media.webrtc.udp_ports import UdpPorts, UdpSettings
from protocol.blocks import Block
from protocol.errors import EarshotError, Internal, SdpError, TooLarge
from protocol.states import SESSION_MOVES, SessionState, move

log = structlog.get_logger(__name__)

CHANNEL_LABEL = "events"
CHANNEL_LABELS = frozenset({CHANNEL_LABEL, "oai-events"})  # the latter: as clients of OpenAI call it
BUFFER_MAX_BYTES = 1 << 20
CLOSE_DEADLINE_S = 8.0
"""Longer than aioice waits for a STUN server."""


def check_offer(settings: PeerSettings, sdp: str, type: str, *, speaks: bool = False) -> None:
    """Raise what ``WebRtcPeer.answer`` would raise of the text, before a peer is made: SdpError, TooLarge."""
    _clean(settings, sdp, type, "offer", own=(), speaks=speaks)


def _clean(
    settings: PeerSettings,
    sdp: str,
    type: str,
    wanted: Literal["offer", "answer"],
    *,
    own: Collection[str],
    speaks: bool,
) -> Cleaned:
    if type != wanted:
        raise SdpError(f"an {wanted} is expected", details={"type": type[:16]})
    return clean(
        sdp,
        wanted,
        max_bytes=settings.sdp_max_bytes,
        loopback=settings.loopback,
        private=settings.private_clients,
        own=own,
        speaks=speaks,
    )


class WebRtcPeer:
    """Either ``answer``, or ``offer`` and then ``accept``; ``close`` in any case.

    ``ports`` are those that the node's peers share; without, it opens a port of its own. ``speaks``: by ``speak`` it
    will have something to say, if the client wants to hear.
    """

    def __init__(
        self, settings: PeerSettings, listener: PeerListener, *, ports: UdpPorts | None = None, speaks: bool = False
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._state = SessionState.CONNECTING
        self._pc: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._receiver = OpusReceiver(self._on_blocks, self._on_excess, self._drop)
        self._sender = OpusSender() if speaks else None
        self._guards: list[Guard] = []
        self._trickled = 0
        self._ports = ports
        self._own_ports: UdpPorts | None = None
        self._mux: UdpMux | None = None
        self._deadline_s = self._loop.time() + settings.connect_deadline_s
        self._watch: asyncio.TimerHandle | None = None
        self._describing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def state(self) -> SessionState:
        return self._state

    @property
    def stats(self) -> PeerStats:
        counted = self._receiver.timeline.stats
        return PeerStats(
            packets=counted.packets,
            lost=counted.lost,
            late=counted.late,
            concealed=counted.concealed_samples,
            received_samples=counted.length_samples,
        )

    @property
    def buffered_bytes(self) -> int:
        return int(self._channel.bufferedAmount) if self._channel is not None else 0

    @property
    def awaits_channel(self) -> bool:
        """Nothing can be sent yet, but soon: the client asked for a data channel that is not open."""
        if self._state is SessionState.CLOSED or self._pc is None or self._pc.sctp is None:
            return False
        return self._channel is None or self._channel.readyState == "connecting"

    async def answer(self, sdp: str, type: str) -> tuple[str, str]:
        """Our answer to the client's offer, with all candidates. Raises SdpError, TooLarge."""
        offer = self._clean(sdp, type, "offer")
        with self._opening() as pc:
            # Made before the offer is read, so that the offer's audio meets our list of codecs.
            self._add_audio(pc)
            await self._try(pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer")), SdpError)
            self._guard(pc)
            return await self._describe(pc, offer.refused)

    async def offer(self) -> tuple[str, str]:
        """Our offer, with all candidates: audio to us, and the data channel ``events``."""
        with self._opening() as pc:
            self._add_audio(pc)
            self._take_channel(pc.createDataChannel(CHANNEL_LABEL))
            self._guard(pc)
            return await self._describe(pc)

    async def accept(self, sdp: str, type: str) -> None:
        """The client's answer to our offer. Raises SdpError, TooLarge; the offer stands after a refused answer."""
        answer = self._clean(sdp, type, "answer")
        if self._pc is None or self._closing is not None:
            raise SdpError("there is no offer to answer")
        await self._try(self._pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer")), SdpError)

    async def add_candidates(self, fragment: str) -> bool:
        """Candidates that the client found after its description (trickle ICE, RFC 8840).

        False: they are of another ICE session, so the client asks for an ICE restart, which a peer cannot do; it goes
        on as it was. Raises SdpError, TooLarge.
        """
        settings = self._settings
        read = read_fragment(
            fragment,
            max_bytes=settings.sdp_max_bytes,
            loopback=settings.loopback,
            private=settings.private_clients,
            own=self._ports.own if self._ports is not None else (),
        )
        pc = self._pc
        if pc is None or pc.remoteDescription is None or self._closing is not None:
            raise SdpError("there is no description that candidates could belong to")
        if read.ufrag is not None and not _is_of(read.ufrag, read.pwd, pc.remoteDescription.sdp):
            return False
        if self._trickled + len(read.candidates) > CANDIDATES_MAX:
            raise TooLarge("too many candidates", details={"max_candidates": CANDIDATES_MAX})
        self._trickled += len(read.candidates)
        transport = pc.getTransceivers()[0].receiver.transport.transport  # all sections share it
        for each in read.candidates:
            await self._try(transport.addRemoteCandidate(each), SdpError)
        return True

    def send(self, text: str) -> bool:
        """Put a text on the data channel; False when it is not open, or more than 1 MiB waits in it already."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > BUFFER_MAX_BYTES:
            return False
        try:
            channel.send(text)
        except Exception as exc:  # over the peer's message size, or closed this very moment
            log.warning("text not sent", error=type(exc).__name__, size=len(text))
            return False
        return True

    def speak(self, packet: bytes | None, at_samples: int) -> None:
        """What the client is to hear now: one Opus packet of 20 ms, or None for silence."""
        if self._sender is not None:
            self._sender.speak(packet, at_samples)

    def end_sound(self) -> None:
        """Deliver at once what is held back until a lost packet comes; there is no sound after it. Idempotent."""
        self._receiver.end()

    async def close(self, reason: str = "") -> None:
        """End the peer. Idempotent; what is held back is delivered first. Joins nothing, waits for 8 s at most."""
        self._close_soon(reason)
        if self._closing is not None:
            await asyncio.shield(self._closing)

    # Putting it together.

    def _clean(self, sdp: str, type: str, wanted: Literal["offer", "answer"]) -> Cleaned:
        own = self._ports.own if self._ports is not None else ()
        return _clean(self._settings, sdp, type, wanted, own=own, speaks=self._sender is not None)

    @contextlib.contextmanager
    def _opening(self) -> Any:
        if self._pc is not None or self._closing is not None:
            raise SdpError("the peer has been described already")
        # An empty list is not the same as none: with none, aiortc asks a public STUN server.
        servers = [RTCIceServer(url) for url in self._settings.ice_servers]
        pc = self._pc = RTCPeerConnection(RTCConfiguration(servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        pc.on("connectionstatechange", self._on_connection_state)
        pc.on("datachannel", self._take_channel)
        try:
            yield pc
        except (EarshotError, asyncio.CancelledError):
            self._close_soon("not set up")
            raise
        except Exception as exc:  # an ICE server that is no URL, for one
            self._close_soon("not set up")
            raise Internal("the peer could not be set up") from exc
        self._tick()

    async def _try(self, work: Awaitable[None], error: type[EarshotError]) -> None:
        try:
            await work
        except Exception as exc:  # aiortc raises whatever its parsing met
            if self._closing is not None:
                raise SdpError("the peer was closed meanwhile") from exc
            raise error("the session description was not accepted") from exc

    def _add_audio(self, pc: RTCPeerConnection) -> None:
        transceiver = pc.addTransceiver("audio", direction="recvonly" if self._sender is None else "sendrecv")
        known = RTCRtpReceiver.getCapabilities("audio")
        assert known is not None
        transceiver.setCodecPreferences([codec for codec in known.codecs if codec.mimeType.lower() == "audio/opus"])
        self._receiver.take_over(transceiver, direct=self._settings.direct_tap)
        if self._sender is not None:
            self._sender.take_over(transceiver)
        take_rsa_certificates(transceiver.receiver.transport)

    def _guard(self, pc: RTCPeerConnection) -> None:
        if self._closing is not None:
            raise SdpError("the peer was closed meanwhile")
        if self._ports is None:
            self._ports = self._own_ports = UdpPorts.open(UdpSettings(loopback=self._settings.loopback))
        self._mux = mux = self._ports.lend()
        transports = {id(each): each for each in (t.receiver.transport.transport for t in pc.getTransceivers())}
        if pc.sctp is not None:
            transports[id(pc.sctp.transport.transport)] = pc.sctp.transport.transport
        for transport in transports.values():  # one by one: those that are there leave when another fails
            self._guards.append(Guard(transport._connection, mux, on_rtp=self._receiver.on_rtp))

    def _give_ports_back(self) -> None:
        for guard in self._guards:
            guard.leave()
        if self._ports is not None and self._mux is not None:
            self._ports.give_back(self._mux)
        if self._own_ports is not None:
            self._own_ports.close()

    async def _describe(self, pc: RTCPeerConnection, refused: Sequence[Refused] = ()) -> tuple[str, str]:
        # On its own, because sockets that are being opened would leak when the caller is cancelled.
        self._describing = asyncio.create_task(pc.setLocalDescription(), name="gather candidates")
        await self._try(asyncio.shield(self._describing), Internal)
        if self._closing is not None:
            raise SdpError("the peer was closed meanwhile")
        return polish(pc.localDescription.sdp, self._settings.opus, refused), str(pc.localDescription.type)

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if channel.label not in CHANNEL_LABELS or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", self._on_channel_close)
        if channel.readyState == "open":
            self._on_channel_open()
        else:
            channel.on("open", self._on_channel_open)

    # What happens.

    def _on_connection_state(self) -> None:
        state = self._pc.connectionState if self._pc is not None else "closed"
        if state == "connected" and self._state is SessionState.CONNECTING:
            self._go(SessionState.LIVE, "connected")
        elif state == "failed":
            self._close_soon("the connection failed")
        elif state == "closed":
            self._close_soon("closed by the peer")

    def _on_channel_open(self) -> None:
        if self._state is not SessionState.CLOSED:
            self._tell(self._listener.on_channel_open)

    def _on_channel_close(self) -> None:
        # A closed channel alone ends nothing; a closed association means that the peer is gone.
        if self._pc is not None and self._pc.sctp is not None and self._pc.sctp.state == "closed":
            self._close_soon("closed by the peer")

    def _on_message(self, message: object) -> None:
        if isinstance(message, str) and self._state is not SessionState.CLOSED:
            self._tell(self._listener.on_message, message)

    def _on_blocks(self, blocks: list[Block]) -> None:
        if self._state is SessionState.CLOSED:
            return
        for block in blocks:
            try:
                self._listener.on_block(block)
            except Exception:
                self._fail()

    def _on_excess(self) -> None:
        self._close_soon("too many RTP sources")

    def _drop(self, reason: Reason) -> None:
        if self._mux is not None:
            self._mux.drop(reason)

    def _tick(self) -> None:
        """Look at the clocks: not connected in time, nothing heard any more."""
        if self._state is SessionState.CLOSED:
            return
        now_s = self._loop.time()
        settings = self._settings
        if self._state is SessionState.CONNECTING:
            if now_s >= self._deadline_s:
                self._close_soon("not connected in time")
                return
        else:
            heard_s = max([self._receiver.packet_s or 0.0, *(guard.heard_s for guard in self._guards)])
            if now_s - heard_s > settings.gone_after_s:
                self._close_soon("nothing heard from the peer")
                return
        wait_s = min(0.5, settings.gone_after_s / 4, settings.connect_deadline_s / 4)
        self._watch = self._loop.call_later(wait_s, self._tick)

    def _go(self, state: SessionState, reason: str) -> None:
        self._state = move(SESSION_MOVES, self._state, state)
        self._tell(self._listener.on_state, state, reason)

    def _tell(self, callback: Any, *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            self._fail()

    def _fail(self) -> None:
        # Called from within aiortc's tasks: an error of ours must not look like one of the network's.
        log.exception("a peer's listener failed")
        if self._state is not SessionState.CLOSED:
            self._close_soon("internal error")

    # The end.

    def _close_soon(self, reason: str) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason), name="close webrtc peer")

    async def _close(self, reason: str) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._receiver.end()
        self._go(SessionState.CLOSED, reason)
        pc = self._pc
        if pc is None:
            return
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                if self._describing is not None:
                    await asyncio.wait({self._describing})
                await pc.close()
                for guard in self._guards:
                    await guard.settled()
        except TimeoutError:
            log.warning("closing a peer took too long")
        except Exception:
            log.exception("closing a peer failed")
        finally:
            self._give_ports_back()


def _is_of(ufrag: str, pwd: str | None, description: str) -> bool:
    lines = description.splitlines()
    return f"a=ice-ufrag:{ufrag}" in lines and f"a=ice-pwd:{pwd}" in lines
