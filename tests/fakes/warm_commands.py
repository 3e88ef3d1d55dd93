"""The command line's processes without Python's start and the imports: forked from one that has imported the server.

What is forked runs ``server.cli.main`` with its arguments, its environment and its own standard streams, in a session
of its own, and starts its inference processes itself; three seconds of a processor for each server are spent once. The
command itself is run by tests/server/test_cli.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tests.fakes.warm_workers import Forking, Request, WarmProcess, serve


class WarmCommand(WarmProcess):
    """What tests use of ``asyncio.subprocess.Process``."""

    stdin: asyncio.StreamWriter | None = None
    stderr: asyncio.StreamReader

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def communicate(self, said: bytes = b"") -> tuple[bytes, bytes]:
        assert self.stdout is not None
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self._say(said))
        await self.wait()
        return out, err

    async def _say(self, said: bytes) -> None:
        assert self.stdin is not None
        with contextlib.suppress(OSError):
            self.stdin.write(said)
            await self.stdin.drain()
        self.stdin.close()


class WarmCommands:
    """One for all tests of a process; ``close`` ends it."""

    ready: ClassVar[WarmCommands | None] = None  # None: commands are started

    def __init__(self) -> None:
        self._forking = Forking("tests.fakes.warm_commands")

    def close(self) -> None:
        self._forking.close()

    async def run(self, *arguments: str, env: Mapping[str, str], stderr: int | None = None) -> WarmCommand:
        """With ``stderr`` its errors go there and its standard input is empty; else all three streams are ours."""
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        try:
            control = self._forking.ask(
                {"arguments": list(arguments), "environment": dict(env), "folder": str(Path.cwd())},
                [theirs_in, theirs_out, theirs_err if stderr is None else stderr],
            )
        finally:
            for each in (theirs_in, theirs_out, theirs_err):
                os.close(each)
        told, writer = await asyncio.open_unix_connection(sock=control)
        command = WarmCommand(int(await told.readline()), told, writer)
        command.stdout = await command.reader_of(ours_out)
        command.stderr = await command.reader_of(ours_err)
        if stderr is not None:
            os.close(ours_in)
            return command
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(ours_in, "wb", 0)
        )
        command._open.append(transport)
        command.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        return command


def _command(told: Request, fds: Sequence[int]) -> int:
    os.setsid()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(told["folder"])
    sys.argv = ["earshot", *told["arguments"]]
    server.cli.main()
    return 0


if __name__ == "__main__":
    import server.cli
    import server.commands.hearing_here
    import server.commands.hearing_remotely
    import server.serving

    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])), _command)
