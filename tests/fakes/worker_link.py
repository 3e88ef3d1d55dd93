"""The server's end of the link to a real inference process, for tests and benches: blocking, one message at a time."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from pydantic import BaseModel

from asr import wire
from asr.contract import SessionOptions
from asr.worker_settings import WorkerSettings


class WorkerLink:
    """Starts ``python -m asr.worker``; a context manager that ends it."""

    def __init__(self, settings: WorkerSettings, *, timeout_s: float = 60.0) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "asr.worker", "--fd", str(theirs.fileno())]
            self.process = subprocess.Popen(
                [*command, "--settings", settings.to_json()], pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL
            )
        self.socket = ours
        self.socket.settimeout(timeout_s)
        self._reader = wire.FrameReader()
        self._frames: list[tuple[bytes, bytes]] = []
        self.heard: list[tuple[float, wire.FromWorker]] = []  # with the time each came

    def __enter__(self) -> WorkerLink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def send(self, message: BaseModel, payload: bytes = b"") -> None:
        self.socket.sendall(wire.frame(message, payload))

    def open(
        self, session_id: str = "s", *, start_samples: int = 0, options: SessionOptions | None = None, **known: Any
    ) -> None:
        """``known``: the ``voices`` that there are, and the ``encoder`` that made them."""
        options = options or SessionOptions()
        self.send(wire.Open(session_id=session_id, generation=1, start_samples=start_samples, options=options, **known))

    def audio(self, start_samples: int, pcm: bytes, session_id: str = "s") -> None:
        self.send(wire.Audio(session_id=session_id, generation=1, start_samples=start_samples), pcm)

    def finalize(self, marker: int = 1, session_id: str = "s") -> None:
        self.send(wire.Finalize(session_id=session_id, generation=1, marker=marker))

    def messages(self) -> Iterator[wire.FromWorker]:
        """Each message as it comes; ends when the process closes its end."""
        while True:
            while self._frames:
                message = wire.FROM_WORKER.validate_json(self._frames.pop(0)[0])
                self.heard.append((time.monotonic(), message))
                yield message
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:  # it ended with something from us unread
                return
            if not data:
                return
            self._frames += self._reader.feed(data)

    def until(self, done: Callable[[wire.FromWorker], bool]) -> list[wire.FromWorker]:
        """All messages up to the one for which ``done`` holds, or the end."""
        got: list[wire.FromWorker] = []
        for message in self.messages():
            got.append(message)
            if done(message):
                break
        return got


def finals(messages: list[wire.FromWorker]) -> list[wire.Heard]:
    return [message for message in messages if isinstance(message, wire.Heard) and message.final]
