"""UDP ports that nobody has now, below those that the system gives away by itself."""

from __future__ import annotations

import random

from media.webrtc.udp_ports import UdpSettings, UdpUnavailable, try_out

FIRST, LAST = 20_000, 32_000


def free_range(count: int) -> tuple[int, int]:
    """So many in a row, free on every local address. By chance, as other tests look for some at the same time."""
    for _ in range(100):
        first = random.randrange(FIRST, LAST, count)
        try:
            for port in range(first, first + count):
                try_out(UdpSettings(port=port, loopback=True))
        except UdpUnavailable:
            continue
        return first, first + count - 1
    raise AssertionError("no ports are free")
