"""A small real server of our own sockets: it keeps what it hears, and breaks connections when it is told to.

It says ``one``, ``two``, ... as the final of each second of sound; so a client's whole way can be tried without a
recogniser. 16-bit mono PCM of any rate, or container bytes, of which 32,000 count as a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TRANSCRIPT_ID = "0b7e2f9c-5a41-4c1d-9a60-3f1f4f6c2d11"


@dataclass
class SpeakingServer:
    """What it heard and what it shall do. ``break_after_bytes``: each entry breaks one connection, once."""

    url: str = ""
    sound: bytearray = field(default_factory=bytearray)
    starts: list[dict[str, Any]] = field(default_factory=list)
    break_after_bytes: list[int] = field(default_factory=list)
    forget_bytes: int = 0  # so much of the sound at a break was not durable: the client must send it again
    forgets_at_last: bool = False  # only with the last break: until then it goes on from all that came
    refuse_with: int = 0  # a close code
    refuse_details: dict[str, Any] = field(default_factory=dict)
    keepalive_s: float = 10.0
    controls: list[str] = field(default_factory=list)
    control_came: asyncio.Event = field(default_factory=asyncio.Event)
    journal: list[dict[str, Any]] = field(default_factory=list)
    listen_breaks: int = 0
    afters: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    unit_bytes: int = 2
    rate_hz: int = 16_000

    def segments(self) -> list[dict[str, Any]]:
        count = len(self.sound) // (self.rate_hz * 2)
        return [segment(number) for number in range(count)]


def segment(number: int, *, is_final: bool = True) -> dict[str, Any]:
    return {
        "segment_id": f"seg_{number}",
        "track": "trk_1",
        "text": NUMBERS[number % 10],
        "speaker": "",
        "timestamp": 1_700_000_000.0 + number,
        "confidence": 1.0,
        "start": float(number),
        "end": number + 0.9,
        "is_final": is_final,
        "revision": 1,
        "language": "en",
        "words": [{"text": NUMBERS[number % 10], "start": float(number), "end": number + 0.9, "confidence": 1.0}],
    }


@contextlib.asynccontextmanager
async def speaking_server(behaviour: SpeakingServer) -> AsyncIterator[SpeakingServer]:
    """Served on a free loopback port while the context lasts."""

    async def create(request: Request) -> JSONResponse:
        behaviour.tokens.append(request.headers.get("authorization"))
        await request.json()
        return JSONResponse({"id": TRANSCRIPT_ID})

    async def segments(request: Request) -> JSONResponse:
        page, size = int(request.query_params["page"]), int(request.query_params["size"])
        items = behaviour.segments()
        return JSONResponse({"items": items[(page - 1) * size : page * size], "total": len(items)})

    async def speak(websocket: WebSocket) -> None:
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await _hear(websocket, behaviour)

    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await _tell(websocket, behaviour)

    app = Starlette(
        routes=[
            Route("/v1/transcripts/", create, methods=["POST"]),
            Route(f"/v1/transcripts/{TRANSCRIPT_ID}/segments", segments),
            WebSocketRoute(f"/v1/transcripts_stream/{TRANSCRIPT_ID}", speak),
            WebSocketRoute(f"/v1/transcripts_websocket/{TRANSCRIPT_ID}", listen),
        ]
    )
    listening = socket.create_server(("127.0.0.1", 0))
    behaviour.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield behaviour
    finally:
        server.should_exit = True
        await serving
        listening.close()


async def _hear(websocket: WebSocket, behaviour: SpeakingServer) -> None:
    start = json.loads(await websocket.receive_text())
    behaviour.starts.append(start["data"])
    if behaviour.refuse_with:
        error = {"code": "REFUSED", "message": "not today", "details": behaviour.refuse_details, "recoverable": False}
        await websocket.send_json({"type": "error", "data": error})
        await websocket.close(behaviour.refuse_with)
        return
    position = len(behaviour.sound) // behaviour.unit_bytes
    started = {
        "session_id": "ses_1",
        "resume_token": f"token-{len(behaviour.starts)}",
        "position": position,
        "max_message_bytes": 262_144,
        "keepalive_s": behaviour.keepalive_s,
    }
    await websocket.send_json({"type": "started", "data": started})
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes") is not None:
            if await _take_sound(websocket, behaviour, message["bytes"]):
                return
            continue
        control = json.loads(message["text"])["type"]
        behaviour.controls.append(control)
        behaviour.control_came.set()
        if control == "stop":
            said = behaviour.segments()
            data = {"duration": len(behaviour.sound) / 32_000, "segments": len(said), "words": len(said)}
            await websocket.send_json({"type": "stopped", "data": data})
            await websocket.close(1000)
            return


async def _take_sound(websocket: WebSocket, behaviour: SpeakingServer, sound: bytes) -> bool:
    """Whether the connection was broken over it."""
    before = len(behaviour.segments())
    behaviour.sound += sound
    if behaviour.break_after_bytes and len(behaviour.sound) >= behaviour.break_after_bytes[0]:
        behaviour.break_after_bytes.pop(0)
        if not (behaviour.forgets_at_last and behaviour.break_after_bytes):
            del behaviour.sound[len(behaviour.sound) - behaviour.forget_bytes :]
        await websocket.close(1012)
        return True
    for number in range(before, len(behaviour.segments())):
        await websocket.send_json({"type": "transcription", "data": segment(number, is_final=False)})
        await websocket.send_json({"type": "transcription", "seq": number + 1, "data": segment(number)})
    acked = max(len(behaviour.sound) - behaviour.forget_bytes, 0) // behaviour.unit_bytes
    await websocket.send_json({"type": "ack", "data": {"position": acked}})
    return False


async def _tell(websocket: WebSocket, behaviour: SpeakingServer) -> None:
    after = websocket.query_params.get("after", "0")
    behaviour.afters.append(after)
    events = [m for m in behaviour.journal if "seq" not in m or m["seq"] > int(after)]
    for number, message in enumerate(events):
        await websocket.send_json(message)
        if behaviour.listen_breaks and number == 1:
            behaviour.listen_breaks -= 1
            await websocket.close(1012)
            return
    while True:
        asked = json.loads(await websocket.receive_text())
        if asked.get("action") == "get_status":
            status: dict[str, Any] = next((m["data"] for m in reversed(behaviour.journal) if m["type"] == "status"), {})
            await websocket.send_json({"type": "status", "data": status})
