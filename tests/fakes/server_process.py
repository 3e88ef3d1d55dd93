"""The whole server as a process of its own, as a user starts it, on a free port of loopback."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, Self

from asr.child import Running
from tests.fakes.warm_commands import WarmCommands
from tests.server.databases import lay_sqlite_file

START_DEADLINE_S = 120.0
STOP_DEADLINE_S = 40.0
ADDRESS = re.compile(r"http://[\w.\[\]:-]+:\d+")


class ServerProcess:
    """``async with ServerProcess(data_dir, engine="scripted") as server``; options are settings by their names."""

    def __init__(self, data_dir: Path, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "engine": "scripted",
            "port": 0,
            "engine_workers": 1,
            "admission_busy_max": 0,
            "disk_reserve_mb": 0,
            "log_format": "json",
        }
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("EARSHOT_")} | {
            f"EARSHOT_{name.upper()}": str(value) for name, value in (defaults | options).items()
        }
        self._env["EARSHOT_DATA_DIR"] = str(data_dir)
        self._data_dir = data_dir
        self._log_path = data_dir.parent / f"{data_dir.name}.log"
        self._process: Running | None = None
        self._output: list[str] = []
        self._reader: asyncio.Task[None] | None = None
        self.url = ""

    @property
    def process(self) -> Running:
        assert self._process is not None, "start first"
        return self._process

    @property
    def output(self) -> str:
        """What it printed for its user."""
        return "".join(self._output)

    @property
    def log(self) -> str:
        return self._log_path.read_text() if self._log_path.exists() else ""

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http://", "ws://")

    async def start(self) -> None:
        lay_sqlite_file(self._data_dir / "earshot.db")
        with self._log_path.open("ab") as log:
            if WarmCommands.ready is not None:
                self._process = await WarmCommands.ready.run("serve", env=self._env, stderr=log.fileno())
            else:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "server.cli", "serve"),
                    env=self._env,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,  # so that nothing of it is left behind, whatever a test does to it
                )
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                await self._read_address()
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"no address printed:\n{self.output}\n{self.log[-4000:]}") from None
        self._reader = asyncio.create_task(self._read_rest(), name="server output")

    async def _read_address(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self._output.append(line.decode())
            found = ADDRESS.search(line.decode())
            if found:
                self.url = found[0]
                return
        raise AssertionError(f"it ended before it served:\n{self.output}\n{self.log[-4000:]}")

    async def _read_rest(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self._output.append(line.decode())

    async def stop(self) -> int:
        """Ask it to stop; returns its exit code."""
        if self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGTERM)  # ``send_signal`` may reap it before asyncio does
        return await self._wait()

    async def kill(self) -> None:
        """As when the plug is pulled: the whole group at once, nothing is told beforehand."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._wait()

    async def _wait(self) -> int:
        async with asyncio.timeout(STOP_DEADLINE_S):
            code = await self.process.wait()
        if self._reader is not None:
            await self._reader
            self._reader = None
        return code

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
