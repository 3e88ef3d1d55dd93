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
from collections.abc import Sequence
from pathlib import Path

import asr.child
import asr.engines.scripted  # for those that are forked
import asr.worker
from asr.child import WORKER_COMMAND, Running, worker_environment
from tests.fakes import worker as fake_worker

REQUEST_MAX_BYTES = 64 * 1024
ROOT = Path(__file__).parents[2]


class WarmProcess:
    """One that was forked; what ``asr.child`` wants of a process."""

    def __init__(
        self, pid: int, stdout: asyncio.StreamReader, told: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self.stdout: asyncio.StreamReader | None = stdout
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._wait(told, writer), name="warm worker")

    async def _wait(self, told: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        line = await told.readline()
        self.returncode = int(line) if line else -signal.SIGKILL
        writer.close()
        await writer.wait_closed()
        return self.returncode

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)


class WarmWorkers:
    """The process that forks, from the first time that it is asked to. ``close`` ends it."""

    cold = staticmethod(asr.child.run)

    def __init__(self) -> None:
        self._forking: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory()
        self._address = f"{self._folder.name}/fork"

    async def run(self, command: Sequence[str], arguments: Sequence[str], fd: int) -> Running:
        """Instead of ``asr.child.run``. Other engines load libraries that begin threads: those are started anew."""
        settings = json.loads(arguments[arguments.index("--settings") + 1])
        fake = fake_worker.command()
        is_fake = tuple(command[: len(fake)]) == fake
        if not is_fake and (tuple(command) != WORKER_COMMAND or not settings["engine"].startswith("scripted")):
            return await self.cold(command, arguments, fd)
        if is_fake:
            arguments = [*command[len(fake) :], *arguments]
        self._start()
        out, theirs = os.pipe()
        control = socket.socket(socket.AF_UNIX)
        try:
            control.connect(self._address)
            request = {
                "main": "fake" if is_fake else "real",
                "arguments": list(arguments),
                "fd": fd,
                "environment": worker_environment(),
            }
            socket.send_fds(control, [json.dumps(request).encode() + b"\n"], [fd, theirs])
        finally:
            os.close(theirs)
        told, writer = await asyncio.open_unix_connection(sock=control)
        pid = int(await told.readline())
        stdout = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(out, "rb", 0)
        )
        return WarmProcess(pid, stdout, told, writer)

    def _start(self) -> None:
        if self._forking is not None:
            return
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self._address)
            listening.listen(64)
            self._forking = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.warm_workers", str(listening.fileno())],
                cwd=ROOT,
                env={**worker_environment(), "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                pass_fds=(listening.fileno(),),
            )

    def close(self) -> None:
        if self._forking is not None:
            self._forking.communicate()
        self._folder.cleanup()


def serve(listening: socket.socket) -> None:
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
                pid = _fork(control, [listening, selector, *asked.values()])
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


def _fork(control: socket.socket, not_theirs: Sequence[socket.socket | selectors.BaseSelector]) -> int:
    request, (link, out), _, _ = socket.recv_fds(control, REQUEST_MAX_BYTES, 2)
    pid = os.fork()
    if pid:
        os.close(link)
        os.close(out)
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (*not_theirs, control):
            each.close()
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        told = json.loads(request)
        os.environ.clear()
        os.environ.update(told["environment"])
        arguments = [str(link) if each == str(told["fd"]) else each for each in told["arguments"]]
        if "PYTHONFAULTHANDLER" in os.environ:
            faulthandler.enable()
        main = fake_worker.main if told["main"] == "fake" else asr.worker.main
        status = main(arguments)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
