"""A receiver of webhooks on a real port of the loopback: keeps what it was sent, and answers as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]  # by their names in small letters
    body: bytes


class Receiver:
    """``answers`` are what the next requests get: a status, or a word of ``_answer``; then 200."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[Received] = []
        self.answers: deque[int | str] = deque()
        self.headers: dict[str, str] = {}  # of every answer
        self.server_names: list[str | None] = []
        self.connections = 0
        self._came = asyncio.Event()
        self._let_go = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=canary-of-the-query"

    @classmethod
    @asynccontextmanager
    async def running(cls, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
        receiver = cls()
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: receiver.server_names.append(name)
        server = await asyncio.start_server(receiver._serve, "127.0.0.1", 0, ssl=tls)
        receiver.port = server.sockets[0].getsockname()[1]
        try:
            yield receiver
        finally:
            receiver.let_go()
            server.close()
            for writer in receiver._writers:
                writer.transport.abort()
            await asyncio.gather(*receiver._tasks, return_exceptions=True)
            await server.wait_closed()

    async def until(self, count: int) -> list[Received]:
        """Wait for so many requests."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.received) < count:
                self._came.clear()
                await self._came.wait()
        return self.received

    def let_go(self) -> None:
        """Of those that get no answer."""
        self._let_go.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while line := await reader.readline():
                method, path, _ = line.decode().split(" ", 2)
                headers = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                answer = self.answers.popleft() if self.answers else 200
                self.received.append(Received(method, path, headers, body))
                self._came.set()
                await self._answer(answer, writer)

    async def _answer(self, answer: int | str, writer: asyncio.StreamWriter) -> None:
        if answer == "silent":
            await self._let_go.wait()
        elif answer == "unfinished":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nto be conti")
            await self._let_go.wait()
        elif answer == "cut":
            writer.transport.abort()
        elif answer == "garbage":
            writer.write(b"\x00\xff no HTTP at all\r\n\r\n")
            writer.close()
        elif answer == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
            while not writer.transport.is_closing():
                writer.write(bytes(65536))
                await writer.drain()
        else:
            told = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            writer.write(f"HTTP/1.1 {answer} As told\r\nContent-Length: 2\r\n{told}\r\nok".encode())


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that is called so, and of a client that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(pem + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.create_default_context(cadata=pem.decode())
    return server, client
