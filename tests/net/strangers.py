"""Datagrams of those who have no business at a media port, and a socket to throw them from."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections.abc import Sequence

COOKIE = 0x2112A442
A_TURN = 30
"""Datagrams at one go, as many as a server reads at one; with more the kernel would drop them."""


def candidates(sdp: str) -> list[tuple[str, int]]:
    """Addresses of a description, IPv4 ones of loopback first."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ ", sdp)
    once = dict.fromkeys((host, int(port)) for host, port in found)  # each section has them all
    return sorted(once, key=lambda each: (each[0] != "127.0.0.1", ":" in each[0]))


def request(username: bytes, *, kind: int = 1) -> bytes:
    """A STUN message with a USERNAME and no password; kind 1 is a binding request, 0x101 an answer to one."""
    attribute = struct.pack("!HH", 6, len(username)) + username + bytes(-len(username) % 4)
    return struct.pack("!HHI", kind, len(attribute), COOKIE) + bytes(12) + attribute


def rubbish(count: int, ufrag: str = "") -> list[bytes]:
    """The cases that each break something somewhere, then random ones; some checks name ``ufrag``."""
    dice = random.Random(7)
    made = [b"", b"\x00", b"\x80", b"\x16", bytes(20), bytes(1_500), request(f"{ufrag}:x".encode())]
    for _ in range(count - len(made)):
        data = dice.randbytes(dice.choice((1, 2, 12, 20, 40, 200, 1_200)))
        kind = dice.randrange(6)
        if kind == 0:  # a binding request with wrong or cut attributes
            data = struct.pack("!HHI", 1, len(data), COOKIE) + dice.randbytes(12) + data
        elif kind == 1:  # RTP-like
            data = b"\x80\x6f" + data
        elif kind == 2:  # DTLS-like
            data = b"\x16\xfe\xfd" + data
        elif kind == 3:
            data = request(f"{ufrag}:{data[:4].hex()}".encode(), kind=dice.choice((1, 0x11, 0x101, 0x111)))
        made.append(data)
    return made


async def throw(datagrams: Sequence[bytes], target: tuple[str, int]) -> tuple[str, int]:
    """All of them from one socket, and time for the loop to read them. Returns its address."""
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as stranger:
        for at, data in enumerate(datagrams):
            stranger.sendto(data, target)
            if at % A_TURN == A_TURN - 1:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        host, port = stranger.getsockname()[:2]
        return target[0] if host in ("0.0.0.0", "::") else host, port
