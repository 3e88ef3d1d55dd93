"""A guard on an ICE connection's sockets: strangers' datagrams go no further, and loopback can be a candidate.

The fault upstream (aiortc up to 1.16, seen with aioice 0.13): aioice hands every datagram that is not STUN to the DTLS
transport, whoever sent it, through a queue without bound; and the DTLS transport reads the first byte of it without
looking whether there is one. One empty UDP datagram from anywhere ends the session
(``aiortc.rtcdtlstransport.RTCDtlsTransport._recv_next``, an ``IndexError``).

So before aioice: an empty datagram is dropped; so is one that is neither STUN, DTLS nor RTP by its first byte (RFC
7983 section 7); so is one that does not come from an address which passed an authenticated ICE check; and the queue is
bounded. All are counted. Filtering by the nominated pair instead would be wrong: DTLS may begin on another checked
pair.

``on_rtp`` is the place for a shortcut: what looks like RTP or RTCP and comes from a trusted address is shown to it
before aioice's queue, and goes no further when it takes it.

aioice never gathers 127.0.0.1 and ::1, which a server that listens on loopback only needs; ``guard`` adds them.

``upstream_empty_datagram_fault`` says whether the installed release is known to have the fault, and a test shows the
fault without the guard, so that it fails once upstream has mended it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

QUEUE_MAX_DATAGRAMS = 1024
TRUSTED_MAX = 256
SETTLE_TURNS = 20
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
_FAULTY_BEFORE = (1, 17)


def upstream_empty_datagram_fault() -> bool:
    """Whether the installed aiortc is a release in which one empty datagram ends a session."""
    version = importlib.metadata.version("aiortc").split(".")
    return (int(version[0]), int(version[1])) < _FAULTY_BEFORE


class Guard:
    """Counts of one guarded connection. ``heard_s`` is the loop's time of the last datagram of a trusted address.

    ``on_rtp`` may be set at any time; it is called on the loop, must not raise, and says whether it took the datagram.
    """

    def __init__(self, connection: Any, *, loopback: bool, on_rtp: Callable[[bytes], bool] | None = None) -> None:
        self.dropped = 0
        self.on_rtp = on_rtp
        self.heard_s = asyncio.get_running_loop().time()
        self._connection = connection
        self._trusted: set[tuple[str, int]] = set()
        self._loopback = loopback
        self._gather = connection.get_component_candidates
        self._receive = connection.data_received
        self._check_incoming = connection.check_incoming
        self._connect = connection.connect
        self._settled = asyncio.Event()
        self._settled.set()
        connection.check_incoming = self._checked
        connection.connect = self._connecting
        connection.get_component_candidates = self._get_component_candidates
        connection.data_received = self._data_received

    async def settled(self) -> None:
        """After the connection was closed: until nobody waits in its ``connect`` any more."""
        await self._settled.wait()
        # The task that waited there, aiortc's own, which nothing can wait for, ends within a few turns of the loop.
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def _connecting(self) -> None:
        self._settled.clear()
        try:
            await self._connect()
        finally:
            self._settled.set()

    async def _get_component_candidates(self, component: int, addresses: Sequence[str], timeout: int = 5) -> Any:
        wanted = [*addresses]
        if self._loopback:
            wanted += [address for address in LOOPBACK_ADDRESSES if address not in wanted]
        candidates = await self._gather(component=component, addresses=wanted, timeout=timeout)
        for protocol in self._connection._protocols:
            protocol.datagram_received = self._guarded(protocol, protocol.datagram_received)
        return candidates

    def _guarded(
        self, protocol: Any, stun_received: Callable[[bytes, tuple[Any, ...]], None]
    ) -> Callable[[bytes, tuple[Any, ...]], None]:
        loop = asyncio.get_running_loop()

        def datagram_received(data: bytes, addr: tuple[Any, ...]) -> None:
            trusted = self._trusts((addr[0], addr[1]))
            if trusted and data:
                self.heard_s = loop.time()
                if data[0] > 3:
                    if self.on_rtp is not None and 128 <= data[0] <= 191 and self.on_rtp(data):
                        return
                    self._data_received(data, protocol.local_candidate.component)
                    return
            elif not data or data[0] > 3:
                self.dropped += 1
                return
            try:
                stun_received(data, addr)
            except Exception:  # whatever a stranger's bytes can make a parser raise: none of it may reach the loop
                self.dropped += 1

        return datagram_received

    def _trusts(self, address: tuple[str, int]) -> bool:
        if address in self._trusted:
            return True
        # A check that came before aiortc knew the peer's password waits; it has been authenticated all the same.
        # A pair that succeeded is one whose other end answered our own check (an ICE-lite peer sends none).
        connection = self._connection
        checked = any(early[1] == address for early in connection._early_checks) or any(
            pair.remote_addr == address and pair.state.name == "SUCCEEDED" for pair in connection._check_list
        )
        if checked:
            self._trust(address)
        return checked

    def _checked(self, message: Any, addr: tuple[str, int], protocol: Any) -> None:
        self._trust(addr)
        self._check_incoming(message, addr, protocol)

    def _trust(self, address: tuple[str, int]) -> None:
        if len(self._trusted) < TRUSTED_MAX:
            self._trusted.add(address)

    def _data_received(self, data: bytes, component: int) -> None:
        # Reached from the sockets as guarded, and from a socket still unguarded while candidates are being gathered.
        known = data and (20 <= data[0] <= 63 or 128 <= data[0] <= 191)
        if known and self._connection._queue.qsize() < QUEUE_MAX_DATAGRAMS:
            self._receive(data, component)
        else:
            self.dropped += 1
