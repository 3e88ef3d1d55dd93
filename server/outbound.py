"""How this server asks others: in bounded time, following nobody's redirects, and answered in JSON as it is."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def json_client(
    url: str, *, deadline_s: float, connections_max: int, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """For what is at ``url``. Whoever reads an answer bounds its size, and closes the client in the end."""
    # In a thread: it reads the system's certificates. The loopback is never behind a proxy.
    return await asyncio.to_thread(
        httpx.AsyncClient,
        headers={
            **(headers or {}),
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # so that a bound of what comes is one of what it is
        },
        timeout=deadline_s,
        follow_redirects=False,
        trust_env=not is_loopback(urlsplit(url).hostname or ""),
        limits=httpx.Limits(max_connections=connections_max),
    )
