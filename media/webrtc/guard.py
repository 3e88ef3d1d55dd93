"""An ICE connection of aiortc's on sockets of ours: strangers' datagrams go no further, and all peers can share a port.

The fault upstream (aiortc up to 1.16, seen with aioice 0.13): aioice hands every datagram that is not STUN to the DTLS
transport, whoever sent it, through a queue without bound; and the DTLS transport reads the first byte of it without
looking whether there is one. One empty UDP datagram from anywhere ends the session
(``aiortc.rtcdtlstransport.RTCDtlsTransport._recv_next``, an ``IndexError``). A test shows the fault without the guard,
and fails once upstream has mended it.

So aioice binds nothing here. For each socket of the mux it gets a ``StunProtocol`` that sends through the peer's seat,
and it is shown only what the mux let through. Whatever is neither STUN, DTLS nor RTP is dropped, and so is what comes
from an address that passed no authenticated check; the queue is bounded. All are counted.

``on_rtp`` is the place for a shortcut: what looks like RTP or RTCP and comes from a trusted address is shown to it
before aioice's queue, and goes no further when it takes it.

A STUN server, where one is set, is asked through the shared port by each peer, so the answer is never old; a client
then gets the address that a NAT gave to this port. With public addresses none is asked: they say it already. A TURN
server is never asked: what one relays for a client comes to our port as from any address.

The names of aioice's that are used here are not documented; ``upstream`` lists them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from aioice import Candidate, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol, server_reflexive_candidate

from media.webrtc.udp_mux import Address, Face, Seat, UdpMux
from media.webrtc.upstream import tell_unknown_releases

QUEUE_MAX_DATAGRAMS = 1024
SETTLE_TURNS = 20


class Guard:
    """One guarded connection. ``heard_s`` is the loop's time of the last check or answer that bore the password.

    Other datagrams say nothing of who is there: addresses can be forged.

    ``on_rtp`` may be set at any time; it is called on the loop, must not raise, and says whether it took the datagram.
    """

    def __init__(self, connection: Any, mux: UdpMux, *, on_rtp: Callable[[bytes], bool] | None = None) -> None:
        tell_unknown_releases()
        self.on_rtp = on_rtp
        self._loop = asyncio.get_running_loop()
        self.heard_s = self._loop.time()
        self._connection = connection
        self._mux = mux
        self._protocols: dict[Face, Any] = {}
        self._receive = connection.data_received
        self._connect = connection.connect
        self._settled = asyncio.Event()
        self._settled.set()
        self._seat = mux.seat(self)  # nothing below can fail: nobody else would leave it
        # aioice's own has four characters, of which two among some thousands would soon be the same.
        connection._local_username = self._seat.ufrag
        connection.connect = self._connecting
        connection.get_component_candidates = self._get_component_candidates
        connection.data_received = self._data_received

    async def settled(self) -> None:
        """After the connection was closed: until nobody waits in its ``connect`` any more."""
        await self._settled.wait()
        # The task that waited there, aiortc's own, which nothing can wait for, ends within a few turns of the loop.
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    def leave(self) -> None:
        """The seat is free, and nothing comes any more. Idempotent."""
        self._seat.leave()

    # What the mux tells.

    def is_authentic(self, data: bytes) -> bool:
        try:
            message = stun.parse_message(data)
            ours = message.message_class == stun.Class.REQUEST
            password = self._connection.local_password if ours else self._connection.remote_password
            return password is not None and bool(message.check_message_integrity(password.encode()))
        except Exception:  # whatever a stranger's bytes can make a parser raise
            return False

    def on_stun(self, data: bytes, source: Address, face: Face, *, authentic: bool) -> None:
        if authentic:
            self.heard_s = self._loop.time()
        protocol = self._protocols.get(face)
        if protocol is None:
            return
        try:
            protocol.datagram_received(data, source)
        except Exception:  # as above: none of it may reach the loop
            self._mux.drop("malformed")

    def on_data(self, data: bytes) -> None:
        if self.on_rtp is not None and 128 <= data[0] <= 191 and self.on_rtp(data):
            return
        self._data_received(data, 1)

    # What aioice does.

    async def _connecting(self) -> None:
        self._settled.clear()
        try:
            await self._connect()
            await end_consent(self._connection)
        finally:
            self._settled.set()

    async def _get_component_candidates(
        self, component: int, addresses: Sequence[str], timeout: int = 5
    ) -> list[Candidate]:
        candidates: dict[Address, Candidate] = {}
        for face in self._mux.faces:
            for address in face.offered:
                candidates.setdefault((address, face.port), _host_candidate(component, address, face.port))
            if face.offered:
                self._protocols[face] = self._protocol(face, candidates[face.offered[0], face.port])
        # aioice has no socket to ask a STUN server from.
        reflexive = await asyncio.gather(*(self._reflexive(self._protocols[face], timeout) for face in self._asking()))
        return [*candidates.values(), *(found for found in reflexive if found is not None)]

    def _protocol(self, face: Face, candidate: Candidate) -> Any:
        protocol = StunProtocol(self._connection)
        protocol.transactions = _Transactions(self._seat, face)
        protocol.connection_made(_Way(self._seat, face, protocol))
        protocol.local_candidate = candidate
        self._connection._protocols.append(protocol)
        return protocol

    def _asking(self) -> list[Face]:
        """Those whose address a STUN server can tell us: not loopback, unless there is no other."""
        if self._connection.stun_server is None:
            return []
        faces = [face for face in self._protocols if face.is_ipv4 and face.offered == (face.address,)]
        return [face for face in faces if not str(face.address).startswith("127.")] or faces

    async def _reflexive(self, protocol: Any, timeout_s: float) -> Candidate | None:
        try:
            async with asyncio.timeout(timeout_s):
                candidate, _ = await server_reflexive_candidate(protocol, self._connection.stun_server)
                return candidate
        except (TimeoutError, OSError, stun.TransactionError, KeyError):
            return None

    def _data_received(self, data: bytes, component: int) -> None:
        # aioice too comes here, with what began as STUN and could not be read.
        if not data or not (20 <= data[0] <= 63 or 128 <= data[0] <= 191):
            self._mux.drop("malformed")
        elif self._connection._queue.qsize() >= QUEUE_MAX_DATAGRAMS:
            self._mux.drop("queue_full")
        else:
            self._receive(data, component)


async def end_consent(connection: Any) -> None:
    """Of a connection whose ``connect`` has returned: no checks without end where it was closed meanwhile.

    The fault upstream (aioice 0.13): a connection that is closed while ``connect`` is about to return begins its
    consent checks after that, and nothing ends them.
    """
    task = getattr(connection, "_query_consent_task", None)
    if task is not None and connection._closing:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Transactions(dict[bytes, Any]):
    """aioice's own requests under way; the mux is told of them, so that their answers find the way."""

    def __init__(self, seat: Seat, face: Face) -> None:
        super().__init__()
        self._seat = seat
        self._face = face

    def __setitem__(self, transaction_id: bytes, transaction: Any) -> None:
        super().__setitem__(transaction_id, transaction)
        self._seat.ask(transaction_id, self._face)

    def __delitem__(self, transaction_id: bytes) -> None:
        super().__delitem__(transaction_id)
        self._seat.forget(transaction_id)


class _Way(asyncio.DatagramTransport):
    """What aioice takes for a socket of its own."""

    def __init__(self, seat: Seat, face: Face, protocol: Any) -> None:
        super().__init__()
        self._seat = seat
        self._face = face
        self._protocol = protocol
        self._closed = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        self._seat.send(self._face, data, addr)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


def _host_candidate(component: int, address: str, port: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", address),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=address,
        port=port,
        type="host",
    )
