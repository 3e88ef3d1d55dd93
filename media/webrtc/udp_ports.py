"""The node's UDP sockets for WebRTC: one port that all peers share, or one of a range for each peer.

The local addresses are looked up when sockets are opened: for the shared port once, at the start, so an address that
the machine gets later is used after a restart only.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import random
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from aioice import ice

from media.webrtc.udp_mux import Face, UdpCounts, UdpMux, buffer_drops
from protocol.errors import Overloaded

log = structlog.get_logger(__name__)

LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
FREE_PORT_TRIES = 32
RETRY_AFTER_S = 10.0
_ANOTHER = "Name another, above 1023, with udp_port (EARSHOT_UDP_PORT); 0 takes a free one."


class UdpUnavailable(OSError):
    """No UDP socket for WebRTC can be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class UdpSettings:
    """``port`` 0 takes a free one; with a ``port_range`` (both ends are in it) peers share nothing.

    ``public_addresses`` are offered in place of local ones. ``loopback``: 127.0.0.1 and ::1 are used as well.
    """

    port: int = 0
    port_range: tuple[int, int] | None = None
    receive_buffer_bytes: int = 4 << 20
    public_addresses: tuple[str, ...] = ()
    loopback: bool = False


class UdpPorts:
    """Lends each peer the mux that it sits at. Made by ``open``, in a running loop; closed when no peer is left."""

    def __init__(self, settings: UdpSettings, faces: Sequence[Face]) -> None:
        self._settings = settings
        self._counts = UdpCounts()
        self._lent: dict[int, UdpMux] = {}  # by port; of a range only
        self._shared: UdpMux | None = None
        if faces:
            self._shared = UdpMux(faces, self._counts)
            self._shared.start()

    @classmethod
    def open(cls, settings: UdpSettings) -> UdpPorts:
        """Raises ``UdpUnavailable``."""
        if settings.port_range is None:
            faces = _shared_faces(settings)
            ports = cls(settings, faces)
            _tell_buffer(settings.receive_buffer_bytes, granted_bytes(faces))
            log.info("WebRTC", udp_port=ports.port, addresses=ports.addresses, offered=ports.offered)
        else:
            try_out(settings)
            ports = cls(settings, ())
            log.info("WebRTC", udp_ports=settings.port_range)
        return ports

    @property
    def port(self) -> int | None:
        """The shared one."""
        return self._shared.port if self._shared is not None else None

    @property
    def addresses(self) -> list[str]:
        """Where the shared port is bound."""
        return [str(face.address) for face in self._shared.faces] if self._shared is not None else []

    @property
    def offered(self) -> list[str]:
        """The addresses that clients are told of."""
        faces = self._shared.faces if self._shared is not None else ()
        return list(dict.fromkeys(address for face in faces for address in face.offered))

    @property
    def own(self) -> frozenset[str]:
        """All addresses that lead to this machine now, as far as we know, but those of loopback."""
        return frozenset((*local_addresses(loopback=False), *self._settings.public_addresses))

    @property
    def described(self) -> str:
        """For people."""
        if self._settings.port_range is not None:
            return "ports {}-{}, one a peer".format(*self._settings.port_range)
        return f"port {self.port}"

    @property
    def counts(self) -> UdpCounts:
        """Of all peers, also those that left."""
        dropped = dict(self._counts.dropped)
        dropped["buffer_full"] += buffer_drops(self._muxes())
        return UdpCounts(self._counts.datagrams, self._counts.received_bytes, self._counts.unsent, dropped)

    @property
    def entries(self) -> int:
        """Peers, addresses and transactions in all tables now."""
        return sum(mux.entries for mux in self._muxes())

    def lend(self) -> UdpMux:
        """The mux for one peer. Raises ``Overloaded`` when no port of the range is free."""
        if self._shared is not None:
            return self._shared
        assert self._settings.port_range is not None
        first, last = self._settings.port_range
        addresses = local_addresses(loopback=self._settings.loopback)
        begin = random.randint(first, last)
        for port in (*range(begin, last + 1), *range(first, begin)):
            if port in self._lent:
                continue
            try:
                faces = _offering(bind_all(addresses, port), self._settings.public_addresses)
            except UdpUnavailable:
                continue
            mux = self._lent[port] = UdpMux(faces, self._counts)
            mux.start()
            return mux
        raise Overloaded(
            "no UDP port is free for another peer",
            details={"udp_port_range": f"{first}-{last}"},
            retry_after_s=RETRY_AFTER_S,
        )

    def give_back(self, mux: UdpMux) -> None:
        """Its seats must have been left; the shared one stays open. Idempotent."""
        if mux is not self._shared and self._lent.get(mux.port) is mux:
            mux.close()
            del self._lent[mux.port]

    def close(self) -> None:
        """Idempotent."""
        for mux in list(self._muxes()):
            mux.close()
        self._lent.clear()

    def _muxes(self) -> Iterable[UdpMux]:
        return self._lent.values() if self._shared is None else (self._shared,)


def try_out(settings: UdpSettings) -> int:
    """Open and close what ``UdpPorts.open`` would, of a range what its first peer would. Raises ``UdpUnavailable``.

    Returns the receive buffer that was granted, in bytes; 0 for a range, for which none is asked.
    """
    if settings.port_range is None:
        faces = _shared_faces(settings)
        granted = granted_bytes(faces)
        _close(face.sock for face in faces)
        return granted
    first, last = settings.port_range
    addresses = local_addresses(loopback=settings.loopback)
    for port in range(first, last + 1):
        try:
            _close(bind_all(addresses, port))
            return 0
        except UdpUnavailable:
            continue
    raise UdpUnavailable(errno.EADDRINUSE, f"No UDP port of {first}-{last} is free. Name others with udp_port_range.")


def local_addresses(*, loopback: bool) -> list[str]:
    """This machine's addresses now, without those of one link only; with ``loopback`` also 127.0.0.1 and ::1."""
    found = dict.fromkeys(ice.get_host_addresses(use_ipv4=True, use_ipv6=True))
    if loopback:
        found.update(dict.fromkeys(LOOPBACK_ADDRESSES))
    return list(found)


def bind_all(addresses: Sequence[str], port: int, receive_buffer_bytes: int | None = None) -> list[socket.socket]:
    """A socket on each address, on the same port; addresses that the system has no longer, or not yet, are left out.

    Raises ``UdpUnavailable``.
    """
    tries = 1 if port else FREE_PORT_TRIES
    for left in reversed(range(tries)):
        socks: list[socket.socket] = []
        try:
            for address in addresses:
                sock = _bind(address, socks[0].getsockname()[1] if socks else port, receive_buffer_bytes)
                if sock is not None:
                    socks.append(sock)
        except OSError as error:
            _close(socks)
            # A free port of one address may be taken on another.
            if not left or error.errno != errno.EADDRINUSE:
                raise UdpUnavailable(error.errno, _trouble(address, port, error)) from error
        else:
            if socks:
                return socks
            break
    raise UdpUnavailable(errno.EADDRNOTAVAIL, "This machine has no address that WebRTC could use")


def granted_bytes(faces: Sequence[Face]) -> int:
    """The smallest receive buffer; Linux says twice of what it gives, for what it keeps beside the bytes."""
    sizes = [face.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for face in faces]
    return min(sizes) // (2 if sys.platform == "linux" else 1)


def buffer_advice(asked_bytes: int, granted: int) -> str:
    """What to do about a receive buffer much smaller than asked for; empty when it is large enough."""
    if granted * 2 > asked_bytes:
        return ""
    return (
        f"sysctl -w net.core.rmem_max={asked_bytes} lets the system give it, or ask for less with udp_receive_buffer_kb"
    )


def _tell_buffer(asked_bytes: int, granted: int) -> None:
    advice = buffer_advice(asked_bytes, granted)
    if advice:
        log.warning(
            "the UDP receive buffer is small; sound may be lost when the server is busy",
            asked_kb=asked_bytes >> 10,
            granted_kb=granted >> 10,
            advice=advice,
        )
    else:
        log.info("UDP receive buffer", asked_kb=asked_bytes >> 10, granted_kb=granted >> 10)


def _shared_faces(settings: UdpSettings) -> list[Face]:
    socks = bind_all(local_addresses(loopback=settings.loopback), settings.port, settings.receive_buffer_bytes)
    return _offering(socks, settings.public_addresses)


def _offering(socks: Sequence[socket.socket], public_addresses: Sequence[str]) -> list[Face]:
    """Which public addresses lead to which socket cannot be known, but they must be of its family."""
    if not public_addresses:
        return [Face(sock) for sock in socks]
    by_version: dict[int, list[str]] = {4: [], 6: []}
    for text in public_addresses:
        address = ipaddress.ip_address(text)
        by_version[address.version].append(str(address))
    return [Face(sock, tuple(by_version[4 if sock.family == socket.AF_INET else 6])) for sock in socks]


def _bind(address: str, port: int, receive_buffer_bytes: int | None) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError:  # a machine without IPv6
        return None
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if receive_buffer_bytes is not None:
            with contextlib.suppress(OSError):  # Linux gives what it has; others refuse what they have not
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            log.info("an address is left out", address=address, reason=error.strerror)
            return None
        raise
    return sock


def _trouble(address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"UDP port {port} on {address} is in use by another program. {_ANOTHER}"
    if error.errno == errno.EACCES:
        return f"UDP port {port} may not be used by this user. {_ANOTHER}"
    return f"UDP port {port} on {address} cannot be had ({error.strerror or error}). Check udp_port."


def _close(socks: Iterable[socket.socket]) -> None:
    for sock in socks:
        sock.close()
