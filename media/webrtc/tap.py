"""The direct tap: RTP is taken from the datagrams of an authenticated source, before aiortc sees it.

aiortc's way of one packet is a queue, a coroutine chain, a parser that makes many objects, and a router. Ours is one
call: unprotect by the keys of the DTLS transport, parse, hand over. It saves a third of what a stream costs. DTLS,
STUN, RTCP and payload types that are not ours go on to aiortc unchanged.

The private names of aiortc's that it takes are in ``upstream``. Without the one that only the tap needs, sound comes by
the router.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pylibsrtp
import structlog

from media.webrtc.rtp import HEADER_BYTES, second_bytes
from media.webrtc.srtp import Fields, SrtpSession, opener
from media.webrtc.upstream import DIRECT_NAMES, ROUTER_NAMES
from protocol.errors import InvalidMessage

log = structlog.get_logger(__name__)


class DtlsTransport(Protocol):
    """What we use of ``aiortc.rtcdtlstransport.RTCDtlsTransport``."""

    _rx_srtp: SrtpSession | None

    def _register_rtp_receiver(self, receiver: Any, parameters: Any) -> None: ...

    def _unregister_rtp_receiver(self, receiver: Any) -> None: ...

    def _send_rtp(self, data: bytes) -> Awaitable[None]: ...


class Tap:
    """Takes packets of some payload types and hands their fields over: sequence, timestamp, source and payload.

    ``refuse`` is called for what was none.
    """

    def __init__(
        self,
        transport: DtlsTransport,
        payload_types: set[int],
        take: Callable[[int, int, int, bytes], None],
        refuse: Callable[[], None],
    ) -> None:
        self.taken = 0
        self._transport = transport
        self._second_bytes = second_bytes(payload_types)
        self._take = take
        self._refuse = refuse
        self._session: SrtpSession | None = None
        self._opened: Callable[[bytes], Fields] | None = None

    def on_rtp(self, data: bytes) -> bool:
        """A datagram whose first byte says RTP or RTCP. True when it was ours; else it is aiortc's to look at."""
        if len(data) < HEADER_BYTES or data[1] not in self._second_bytes:
            return False
        session = self._transport._rx_srtp
        if session is not self._session or self._opened is None:
            if session is None:
                return False
            self._session, self._opened = session, opener(session)
        try:
            sequence, timestamp, ssrc, payload = self._opened(data)
        except (pylibsrtp.Error, ValueError, InvalidMessage):  # forged, repeated, too long; none at all
            self._refuse()
            return True
        self.taken += 1
        self._take(sequence, timestamp, ssrc, payload)
        return True


def can_tap(transport: object) -> bool:
    """Whether this aiortc has what the tap needs. The log is told once where it has not."""
    missing = tuple(name for name in (*ROUTER_NAMES, *DIRECT_NAMES) if not hasattr(transport, name))
    if missing:
        _tell(missing)
    return not missing


@functools.cache
def _tell(missing: tuple[str, ...]) -> None:
    log.warning("no direct tap with this aiortc: sound comes by its router", missing=missing)
