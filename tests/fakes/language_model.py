"""An API like OpenAI's on a real port of the loopback, as far as we use it: strict, and faulty when told so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

KEY = "a-key-of-the-tests"
MODELS = ("small", "large", "nested/name:latest")
FIELDS = {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "stream", "stream_options"}
# As OpenAI's reasoning models refuse it.
NEWER = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."

Messages = list[dict[str, str]]
Reply = Callable[[Messages], str]


def echo(messages: Messages) -> str:
    """What an answer is unless a test wants another."""
    return f"You said: {messages[-1]['content'][:60]}"


class LanguageModelServer:
    """``faults`` are what the next answers are instead: a status, or a word of ``_misbehave``.

    ``wrong`` is what was not as the reference has it, or did not fit into ``context_tokens``, each a third of the
    characters; ``prompts`` the messages of each request that was answered, ``asked`` each request as method and path.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.prompts: list[Messages] = []
        self.wrong: list[str] = []
        self.faults: deque[int | str] = deque()
        self.reply: Reply = echo
        self.models: tuple[str, ...] = MODELS
        self.context_tokens: int | None = None
        self.counts = True  # it tells how many tokens there were
        self.finish_reason = "stop"
        self.retry_after = "1"
        self.is_newer = False  # its models take the newer names alone
        self.at_once = 0
        self.at_once_max = 0
        self.hold: asyncio.Event | None = None  # answers wait until it is set
        self.came = asyncio.Event()  # set when a question is there
        self.left = asyncio.Event()  # set when somebody did not wait for an answer
        self.tasks: set[asyncio.Task[None]] = set()
        self.gone = asyncio.Event()  # set at the end: who was kept waiting is let go

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
                await self._answer(method, path, headers, body, reader, writer)
        writer.close()

    async def _answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, int):
            more = {"Retry-After": self.retry_after} if fault == 429 else {}
            said = {"error": {"message": f"as told, of {body.decode()}", "type": "x"}}
            self._send(writer, fault, said, more)
        elif headers.get("authorization") != f"Bearer {KEY}":
            self._send(writer, 401, {"error": {"message": f"Incorrect API key: {headers.get('authorization')}"}})
        elif (method, path) == ("GET", "/v1/models") and fault is None:
            data = [{"id": model, "object": "model", "owned_by": "tests"} for model in self.models]
            self._send(writer, 200, {"object": "list", "data": data})
        elif (method, path) == ("POST", "/v1/chat/completions"):
            wanted = self._read(headers, body)
            if wanted is not None and self.is_newer and ("max_tokens" in wanted or "temperature" in wanted):
                self._send(writer, 400, {"error": {"message": NEWER, "code": "unsupported_parameter"}})
            elif wanted is None:
                self._send(writer, 400, {"error": {"message": self.wrong[-1], "code": "context_length_exceeded"}})
            elif fault is not None:
                await self._misbehave(fault, wanted, writer)
            else:
                await self._complete(wanted, reader, writer)
        elif fault is not None:
            await self._misbehave(fault, {"stream": False}, writer)
        else:
            self._send(writer, 404, {"error": {"message": "no such path"}})

    def _read(self, headers: dict[str, str], body: bytes) -> dict[str, Any] | None:
        """What is wanted, if it is as it should be."""
        try:
            assert headers.get("content-type") == "application/json"
            wanted: dict[str, Any] = json.loads(body)
            assert set(wanted) <= FIELDS, set(wanted) - FIELDS
            assert wanted["model"] in self.models, wanted["model"]
            assert 0 <= wanted.get("temperature", 1) <= 2
            answer_tokens = wanted.get("max_tokens") or wanted["max_completion_tokens"]
            assert answer_tokens >= 1
            assert wanted["messages"], "no messages"
            for message in wanted["messages"]:
                assert set(message) == {"role", "content"}
                assert message["role"] in ("system", "user", "assistant")
                assert isinstance(message["content"], str)
            assert headers.get("accept") == ("text/event-stream" if wanted["stream"] else "application/json")
            assert wanted.get("stream_options") == ({"include_usage": True} if wanted["stream"] else None)
            if self.context_tokens is not None:
                tokens = sum(len(message["content"]) for message in wanted["messages"]) / 3 + answer_tokens
                assert tokens <= self.context_tokens, f"{tokens} of {self.context_tokens} tokens"
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            self.wrong.append(repr(error))
            return None
        self.bodies.append(wanted)
        self.prompts.append(wanted["messages"])
        return wanted

    async def _complete(
        self, wanted: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        self.came.set()
        try:
            if self.hold is not None and not await self._held(self.hold, reader):
                return
            text = self.reply(wanted["messages"])
            if wanted["stream"]:
                self._stream(text, writer)
            else:
                said = {"role": "assistant", "content": text}
                choice = {"index": 0, "message": said, "finish_reason": self.finish_reason}
                usage = {"usage": self._usage(text)} if self.counts else {}
                self._send(writer, 200, {"id": "c", "object": "chat.completion", "choices": [choice], **usage})
        finally:
            self.at_once -= 1

    async def _held(self, hold: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        """Whether whoever asked is still there when the answer may be given."""
        waits = [asyncio.ensure_future(each) for each in (hold.wait(), self.gone.wait(), reader.read(1))]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        is_there = not waits[2].done()
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        if not is_there:
            self.left.set()
        return is_there

    def _usage(self, text: str) -> dict[str, int]:
        return {"prompt_tokens": 11, "completion_tokens": len(text.split()), "total_tokens": 11 + len(text.split())}

    def _stream(self, text: str, writer: asyncio.StreamWriter, *, end: bool = True) -> None:
        pieces: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
        pieces += [{"choices": [{"index": 0, "delta": {"content": each}}]} for each in re.findall(r"\S+\s*", text)]
        if end:
            pieces.append({"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish_reason}], "usage": None})
            if self.counts:
                pieces.append({"choices": [], "usage": self._usage(text)})
        self._events(writer, [json.dumps(piece) for piece in pieces] + (["[DONE]"] if end else []))

    def _events(self, writer: asyncio.StreamWriter, datas: list[str]) -> None:
        body = "".join([": a comment\r\n\r\n", *(f"data: {data}\n\n" for data in datas)]).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 100):  # as it comes: an event is rarely a piece
            piece = body[at : at + 100]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        writer.write(b"0\r\n\r\n")

    async def _misbehave(self, fault: str, wanted: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        is_stream = wanted["stream"]
        match fault:
            case "silent":
                await self.gone.wait()
            case "drip":  # each byte comes soon enough, and the whole never
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not self.gone.is_set():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            case "garbage":
                if is_stream:
                    self._events(writer, ["<html>it is a busy day</html>"])
                else:
                    self._send_raw(writer, 200, b"<html>it is a busy day</html>")
            case "empty":
                self._send(writer, 200, {"choices": []})
            case "mute":
                said = {"role": "assistant", "content": None}
                self._send(writer, 200, {"choices": [{"message": said, "finish_reason": "length"}]})
            case "huge":
                self._send_raw(writer, 200, b" " * (5 << 20))
            case "cut":
                writer.transport.abort()
            case "broken":  # after the first words
                self._stream("It was the", writer, end=False)
            case "error":
                piece = {"choices": [{"index": 0, "delta": {"content": "It was "}}]}
                self._events(writer, [json.dumps(piece), json.dumps({"error": {"message": "CUDA out of memory"}})])
            case "filtered":
                self._refused(writer, is_stream, {"content": ""}, "content_filter")
            case "refused":
                self._refused(writer, is_stream, {"content": None, "refusal": "I cannot help with that."}, "stop")
            case "elsewhere":
                self._send(writer, 307, None, {"Location": "http://127.0.0.1:9/v1/models"})
            case _:
                raise AssertionError(fault)

    def _refused(self, writer: asyncio.StreamWriter, is_stream: bool, said: dict[str, Any], reason: str) -> None:
        choice = {"index": 0, "finish_reason": reason, "delta" if is_stream else "message": said}
        if is_stream:
            self._events(writer, [json.dumps({"choices": [choice]}), "[DONE]"])
        else:
            self._send(writer, 200, {"choices": [choice]})

    def _send(
        self, writer: asyncio.StreamWriter, status: int, body: object, headers: dict[str, str] | None = None
    ) -> None:
        self._send_raw(writer, status, b"" if body is None else json.dumps(body).encode(), headers)

    def _send_raw(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)


@asynccontextmanager
async def running_language_model() -> AsyncIterator[LanguageModelServer]:
    fake = LanguageModelServer()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield fake
    finally:
        fake.gone.set()
        server.close()
        await asyncio.gather(*fake.tasks)
        await server.wait_closed()
