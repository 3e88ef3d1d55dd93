"""Inference processes that are there at once: forked from one that has imported everything, instead of started anew.

What is forked runs the real worker's ``main`` with its arguments, its own end of the link and its own output, as a
process that can be killed, stopped and measured; only Python's start and the imports, which cost each node of a test
half a second of a processor, are done once. The command itself is run by the tests of how one is started (the fixture
``real_starts``) and by every server process.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import asr.child
import asr.engines.scripted  # for those that are forked
import asr.worker
from asr.child import WORKER_COMMAND, Running, worker_environment
from tests.fakes import worker as fake_worker

REQUEST_MAX_BYTES = 64 * 1024
LEAVES_WITHIN_S = 60.0
ROOT = Path(__file__).parents[2]


class WarmProcess:
    """One that was forked; what ``asr.child`` wants of a process. It ends with its event loop at the latest."""

    def __init__(self, pid: int, told: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.stdout: asyncio.StreamReader | None = None
        self.returncode: int | None = None
        self._open: list[asyncio.BaseTransport] = [writer.transport]
        self._ended = asyncio.create_task(self._wait(told, writer), name="warm worker")

    async def reader_of(self, pipe: int) -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
        )
        self._open.append(transport)
        return reader

    async def _wait(self, told: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        try:
            line = await told.readline()
        except asyncio.CancelledError:
            # A test failed and left it behind; what is open would be told of a later one.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            for each in self._open:
                each.close()
            raise
        self.returncode = int(line) if line else -signal.SIGKILL
        if not line:
            print(f"The process that forks has died: nobody knows how {self.pid} ends.", file=sys.stderr)
        writer.close()
        await writer.wait_closed()
        return self.returncode

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)


class WarmWorkers:
    """The process that forks, from the first time that it is asked to. ``close`` ends it."""

    cold = staticmethod(asr.child.run)

    def __init__(self) -> None:
        self._forking = Forking("tests.fakes.warm_workers")

    def close(self) -> None:
        self._forking.close()

    async def run(self, command: Sequence[str], arguments: Sequence[str], fd: int) -> Running:
        """Instead of ``asr.child.run``. Other engines load libraries that begin threads: those are started anew."""
        settings = json.loads(arguments[arguments.index("--settings") + 1])
        fake = fake_worker.command()
        is_fake = tuple(command[: len(fake)]) == fake
        if not is_fake and (tuple(command) != WORKER_COMMAND or not settings["engine"].startswith("scripted")):
            return await self.cold(command, arguments, fd)
        if is_fake:
            arguments = [*command[len(fake) :], *arguments]
        out, theirs = os.pipe()
        try:
            request = {
                "main": "fake" if is_fake else "real",
                "arguments": list(arguments),
                "fd": fd,
                "environment": worker_environment(),
            }
            control = self._forking.ask(request, [fd, theirs])
        finally:
            os.close(theirs)
        told, writer = await asyncio.open_unix_connection(sock=control)
        process = WarmProcess(int(await told.readline()), told, writer)
        process.stdout = await process.reader_of(out)
        return process


class Forking:
    """The process of a module that forks, from the first time that it is asked to. ``close`` ends it."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory()
        self._address = f"{self._folder.name}/fork"

    def ask(self, request: Mapping[str, object], fds: Sequence[int]) -> socket.socket:
        """On what it answers the process's id is told, and how it ended."""
        self._start()
        control = socket.socket(socket.AF_UNIX)
        control.connect(self._address)
        socket.send_fds(control, [json.dumps(request).encode() + b"\n"], fds)
        return control

    def _start(self) -> None:
        if self._process is not None:
            return
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self._address)
            listening.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(listening.fileno())],
                cwd=ROOT,
                env={**worker_environment(), "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                pass_fds=(listening.fileno(),),
            )

    def close(self) -> None:
        try:
            if self._process is not None:
                self._process.communicate(timeout=LEAVES_WITHIN_S)
        except subprocess.TimeoutExpired:
            assert self._process is not None
            self._process.kill()
            self._process.communicate()
            raise
        finally:
            self._folder.cleanup()


Request = dict[str, Any]
Main = Callable[[Request, Sequence[int]], int]


def serve(listening: socket.socket, main: Main) -> None:
    """Fork what is asked for and tell how each ends, until the standard input does."""
    asked: dict[int, socket.socket] = {}
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        for source in (listening, woken, 0):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if 0 in ready:
                return
            if woken in ready:
                os.read(woken, 4096)
                _tell_ended(asked)
            if listening in ready:
                control, _ = listening.accept()
                pid = _fork(control, [listening, selector, *asked.values()], main)
                asked[pid] = control
                _tell(control, pid)


def _tell_ended(asked: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with asked.pop(ended[0]) as control:
                _tell(control, os.waitstatus_to_exitcode(ended[1]))


def _tell(control: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # a test that is gone already
        control.sendall(b"%d\n" % number)


def _fork(control: socket.socket, not_theirs: Sequence[socket.socket | selectors.BaseSelector], main: Main) -> int:
    request, fds, _, _ = socket.recv_fds(control, REQUEST_MAX_BYTES, 3)
    pid = os.fork()
    if pid:
        for fd in fds:
            os.close(fd)
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (*not_theirs, control):
            each.close()
        told = json.loads(request)
        os.environ.clear()
        os.environ.update(told["environment"])
        status = main(told, fds)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(status)


def _worker(told: Request, fds: Sequence[int]) -> int:
    link, out = fds
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(out)
    if "PYTHONFAULTHANDLER" in os.environ:
        faulthandler.enable()
    arguments = [str(link) if each == str(told["fd"]) else each for each in told["arguments"]]
    return fake_worker.main(arguments) if told["main"] == "fake" else asr.worker.main(arguments)


if __name__ == "__main__":
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])), _worker)
