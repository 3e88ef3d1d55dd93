"""A network address translator in userspace: clients behind one, the server behind another that is 1:1.

A client only ever sees the server's public address. The server sees each client at an address and port that the NAT
made for it, and nothing at that address takes a datagram from anybody but the server (RFC 4787: address and port
dependent filtering, the strictest).
"""

from __future__ import annotations

import asyncio
from typing import Any

Address = tuple[str, int]


class Nat:
    """In front of ``server``: reached at ``public_host`` and the server's own port number. An async context manager."""

    def __init__(self, server: Address, *, public_host: str = "127.0.0.9", clients_host: str = "127.0.0.7") -> None:
        self.server = server
        self.public = (public_host, server[1])
        self.mappings: dict[Address, Address] = {}
        """A client's own address, and the one it has for the server."""
        self.refused = 0
        self._checks_last = False
        self._clients_host = clients_host
        self._ways: dict[Address, asyncio.DatagramTransport] = {}
        self._outside: asyncio.DatagramTransport | None = None
        self._making: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Nat:
        loop = asyncio.get_running_loop()
        self._outside, _ = await loop.create_datagram_endpoint(lambda: _Told(self._in), local_addr=self.public)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._making)
        for way in (*self._ways.values(), self._outside):
            if way is not None:
                way.close()
        await asyncio.sleep(0)

    def rebind(self, *, checks_last: bool = False) -> None:
        """Every client gets another address, as after a restart of its router. ``checks_last``: its checks (STUN, whose
        first byte is below 4: RFC 7983) are lost until something else came from there."""
        self._checks_last = checks_last
        for way in self._ways.values():
            way.close()
        self._ways.clear()

    def _in(self, data: bytes, client: Address) -> None:
        way = self._ways.get(client)
        if way is not None:
            way.sendto(data, self.server)
            return
        if self._checks_last and data[0] < 4:
            return
        task = asyncio.ensure_future(self._map(data, client))
        self._making.add(task)
        task.add_done_callback(self._making.discard)

    async def _map(self, first: bytes, client: Address) -> None:
        def out(data: bytes, source: Address) -> None:
            if source == self.server and self._outside is not None:
                self._outside.sendto(data, client)
            else:
                self.refused += 1

        loop = asyncio.get_running_loop()
        way, _ = await loop.create_datagram_endpoint(lambda: _Told(out), local_addr=(self._clients_host, 0))
        if client in self._ways:  # two of its datagrams came at once
            way.close()
        else:
            self._ways[client] = way
            self.mappings[client] = way.get_extra_info("sockname")
        self._ways[client].sendto(first, self.server)


class _Told(asyncio.DatagramProtocol):
    def __init__(self, tell: Any) -> None:
        self._tell = tell

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._tell(data, addr)
