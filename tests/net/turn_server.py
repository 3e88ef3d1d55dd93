"""A real TURN server (coturn) on loopback, which shares a secret with the server under test."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HOST = "127.0.0.1"
READY_S = 10.0


@dataclass(frozen=True)
class TurnServer:
    url: str
    log: Path


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.bind((HOST, 0))
        return int(each.getsockname()[1])


@asynccontextmanager
async def turn_server(folder: Path, secret: str) -> AsyncIterator[TurnServer]:
    """Skips the test where there is no ``turnserver``."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("no turnserver here (Debian: coturn)")
    port, log = free_port(), folder / "turn.log"
    options = [
        *("-n", "--no-cli", "--no-tls", "--no-dtls", "--no-software-attribute", "--simple-log", "--verbose"),
        *("--listening-ip", HOST, "--listening-port", str(port), "--relay-ip", HOST, "--allow-loopback-peers"),
        *("--use-auth-secret", "--static-auth-secret", secret, "--realm", "turn.test", "--relay-threads", "1"),
        *("--log-file", str(log), "--pidfile", str(folder / "turn.pid"), "--userdb", str(folder / "turn.db")),
    ]
    process = await asyncio.create_subprocess_exec(
        program, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _answers(port)
        yield TurnServer(f"turn:{HOST}:{port}?transport=udp", log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(port: int) -> None:
    """Until it answers a STUN binding request (RFC 8489 section 2.2)."""
    loop = asyncio.get_running_loop()
    request = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
    async with asyncio.timeout(READY_S):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.bind((HOST, 0))
            while True:
                await loop.sock_sendto(asker, request, (HOST, port))
                with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                    await asyncio.wait_for(loop.sock_recv(asker, 1500), 0.2)
                    return
