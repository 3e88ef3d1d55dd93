"""Whereby's API on a real port of the loopback, as far as we use it: strict about requests, faulty when told so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

KEY = "a-key-of-the-tests"
FIELDS = {"endDate", "isLocked", "roomMode", "roomNamePrefix", "fields", "recording"}
TRIGGERS = {"none", "prompt", "automatic", "automatic-2nd-participant"}


class WherebyServer:
    """``faults`` are what the next answers are instead: a status, or a word of ``_misbehave``.

    ``wrong`` is what was not as their reference has it; ``asked`` each request as method and path.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.created: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.wrong: list[str] = []
        self.faults: deque[int | str] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.gone = asyncio.Event()  # set at the end: who was kept waiting is let go

    @property
    def open_ones(self) -> set[str]:
        return set(self.created) - set(self.deleted)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while line := await reader.readline():
                method, path, _ = line.decode().split(" ", 2)
                headers = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.asked.append((method, path))
                await self._answer(method, path, headers, body, writer)
        writer.close()

    async def _answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, str):
            await self._misbehave(fault, writer)
            return
        if fault is not None:
            more = {"Retry-After": "1"} if fault == 429 else {}
            self._send(writer, fault, {"error": "as told"}, more)
            return
        if headers.get("authorization") != f"Bearer {KEY}":
            self._send(writer, 401, {"error": "Access token is missing or invalid"})
            return
        if method == "POST" and path == "/v1/meetings":
            self._create(headers, body, writer)
        elif method == "DELETE" and (found := re.fullmatch(r"/v1/meetings/([\w-]+)", path)):
            known = found[1] in self.open_ones
            if known:
                self.deleted.append(found[1])
            self._send(writer, 204 if known else 404, None)
        else:
            self._wrong(writer, f"{method} {path}")

    def _create(self, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
        if headers.get("content-type") != "application/json":
            self._wrong(writer, f"content-type {headers.get('content-type')}")
            return
        try:
            wanted = json.loads(body)
            self._check(wanted)
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            self._wrong(writer, f"{error!r} in {body!r}")
            return
        meeting_id = str(1000 + len(self.created))
        self.created[meeting_id] = wanted
        room = f"https://tests.whereby.com/{wanted['roomNamePrefix']}{meeting_id}"
        answer = {"meetingId": meeting_id, "roomUrl": room, "endDate": wanted["endDate"], "roomName": "/x"}
        if "hostRoomUrl" in wanted["fields"]:
            answer["hostRoomUrl"] = f"{room}?roomKey=of-the-host"
        self._send(writer, 201, answer)

    @staticmethod
    def _check(wanted: dict[str, Any]) -> None:
        assert set(wanted) <= FIELDS, set(wanted) - FIELDS
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", wanted["endDate"])
        assert datetime.fromisoformat(wanted["endDate"]) > datetime.now(UTC), "endDate has passed"
        assert isinstance(wanted["isLocked"], bool)
        assert wanted["roomMode"] in ("normal", "group")
        assert re.fullmatch("[a-z0-9]{0,39}", wanted["roomNamePrefix"]), wanted["roomNamePrefix"]
        assert set(wanted["fields"]) <= {"hostRoomUrl", "viewerRoomUrl"}
        recording = wanted["recording"]
        assert recording["type"] in ("none", "local", "cloud")
        assert recording.get("startTrigger", "none") in TRIGGERS
        if recording["type"] == "cloud":
            assert recording["destination"] == {"provider": "whereby"}

    def _wrong(self, writer: asyncio.StreamWriter, what: str) -> None:
        self.wrong.append(what)
        self._send(writer, 400, {"error": what})

    async def _misbehave(self, fault: str, writer: asyncio.StreamWriter) -> None:
        match fault:
            case "silent":
                await self.gone.wait()
            case "drip":  # each byte comes soon enough, and the whole never
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
                while not self.gone.is_set():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            case "garbage":
                self._send_raw(writer, 201, b"<html>it is a busy day</html>")
            case "nameless":
                self._send(writer, 201, {"meetingId": "1"})
            case "hostile":
                self._send(writer, 201, {"meetingId": "1", "roomUrl": "javascript:alert(1)"})
            case "huge":
                self._send_raw(writer, 201, b" " * 1_000_000)
            case "cut":
                writer.transport.abort()
            case "elsewhere":
                self._send(writer, 307, None, {"Location": "http://127.0.0.1:9/v1/meetings"})
            case _:
                raise AssertionError(fault)

    def _send(
        self, writer: asyncio.StreamWriter, status: int, body: object, headers: dict[str, str] | None = None
    ) -> None:
        self._send_raw(writer, status, b"" if body is None else json.dumps(body).encode(), headers)

    def _send_raw(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json"]
        if status != 204:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)


@asynccontextmanager
async def running_whereby() -> AsyncIterator[WherebyServer]:
    whereby = WherebyServer()
    server = await asyncio.start_server(whereby.serve, "127.0.0.1", 0)
    whereby.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield whereby
    finally:
        whereby.gone.set()
        server.close()
        await asyncio.gather(*whereby.tasks)
        await server.wait_closed()
