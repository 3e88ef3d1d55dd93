"""A worker as who starts it sees it: one that hangs is ended, and nobody else."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from server.nodes import worker_process
from server.nodes.worker_orders import WorkerOrders
from server.nodes.worker_process import WorkerProcess
from tests.fakes.node import node_settings

READY_AND_SILENT = """
import signal, socket, sys
{prelude}
parent = socket.socket(fileno=int(sys.argv[2]))
parent.send(b'{{"ready": true, "connections": 0}}\\n')
while True:
    told = parent.recv(1000)  # its orders, and then what the test wants it to say
    if told.endswith(b"speak"):
        parent.send(b'{{"connections": 1}}\\n')
"""
DEAF = "signal.signal(signal.SIGUSR2, signal.SIG_IGN)"


class Looked:
    """A worker that says something only when it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._told = asyncio.Event()
        orders = WorkerOrders(0, folder, node_settings(folder, node_lease_s=2.0))
        self.worker = WorkerProcess(orders, self._told.set, lambda: None)

    async def tells(self) -> None:
        async with asyncio.timeout(30):
            await self._told.wait()
        self._told.clear()

    def look(self, times: int) -> None:
        for _ in range(times):
            self.worker.look()


@pytest.mark.parametrize(("prelude", "signal_name"), [("", "SIGUSR2"), (DEAF, "SIGKILL")])
async def test_one_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prelude: str, signal_name: str
) -> None:
    monkeypatch.setattr(worker_process, "COMMAND", (sys.executable, "-c", READY_AND_SILENT.format(prelude=prelude)))
    looked = Looked(tmp_path)
    worker = looked.worker
    await worker.start()
    looked.look(100)  # before it is ready it may take as long as it wants
    await looked.tells()
    looked.look(19)
    worker._ours.send(b"speak")
    await looked.tells()
    looked.look(19)
    assert worker.exit_code is None
    looked.look(1 if signal_name == "SIGUSR2" else 2)
    assert await worker.wait() == f"was ended by {signal_name}"
    looked.look(100)  # nobody is there any more
