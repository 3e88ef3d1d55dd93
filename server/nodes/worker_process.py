"""One worker as the process that starts it sees it: told its orders, given connections, waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import structlog

from server.nodes.entrance import LENGTH
from server.nodes.worker_orders import WorkerOrders

log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-m", "server.nodes.worker_run")
HEARD_WITHIN_S = 5.0  # it tells how it fares every second
LOOK_EVERY_S = 1.0
HANGS = signal.SIGUSR2  # write where you hang; not SIGABRT, after which the system may keep its memory
HANGS_AFTER_S = 20.0  # or twice a lease: for long by then others could have what it held, but for its open files
READ_BYTES = 64 * 1024
LINE_MAX_BYTES = 4096


class WorkerProcess:
    """``start`` once, then ``wait`` for its end. ``on_told``: something about it changed. ``on_reload``: it asked for
    the inference processes to be started anew. ``look`` is called every ``LOOK_EVERY_S``."""

    def __init__(self, orders: WorkerOrders, on_told: Callable[[], None], on_reload: Callable[[], None]) -> None:
        self.index = orders.index
        self._orders = orders
        self._on_told = on_told
        self._on_reload = on_reload
        self._ours, self._theirs = socket.socketpair()
        self._process: asyncio.subprocess.Process | None = None
        self._line = bytearray()
        self._ready_at_s: float | None = None
        self._heard_at_s = 0.0
        self._connections = 0  # as it told
        self._given = 0  # since then
        self._silent_looks = 0
        self._silent_looks_max = round(max(HANGS_AFTER_S, 2 * orders.settings.node_lease_s) / LOOK_EVERY_S)
        self.udp = ""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def is_ready(self) -> bool:
        return self._ready_at_s is not None and self._process is not None and self._process.returncode is None

    @property
    def ready_for_s(self) -> float:
        return 0.0 if self._ready_at_s is None else time.monotonic() - self._ready_at_s

    @property
    def load(self) -> tuple[bool, int]:
        """The least is to be given the next connection: connections, but none to one that has fallen silent."""
        return time.monotonic() - self._heard_at_s > HEARD_WITHIN_S, self._connections + self._given

    async def start(self) -> None:
        """Raises ``OSError``."""
        orders = self._orders.to_json()
        self._ours.sendall(LENGTH.pack(len(orders)) + orders)
        self._ours.setblocking(False)
        with self._theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(*COMMAND, "--fd", str(self._theirs.fileno())),
                pass_fds=(self._theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # what a terminal sends to all is ours to pass on
            )
        asyncio.get_running_loop().add_reader(self._ours.fileno(), self._read)
        log.info("worker started", server_worker=self.index, pid=self._process.pid)

    async def wait(self) -> str:
        """How it ended. Afterwards nothing of it is open."""
        assert self._process is not None, "start first"
        code = await self._process.wait()
        self._read()
        self.close()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    def close(self) -> None:
        """Idempotent."""
        if self._ours.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._ours.fileno())
            self._ours.close()
        self._theirs.close()

    def give(self, connection: socket.socket) -> bool:
        """False when it takes none now. What is given is its own; ours is still to be closed."""
        try:
            socket.send_fds(self._ours, [b"c"], [connection.fileno()])
        except OSError:
            return False
        self._given += 1
        return True

    def look(self) -> None:
        """End one that hangs: it writes first where it does. Looks are counted, not seconds: where all of the machine
        stood still, nobody hangs."""
        if not self.is_ready:
            return
        self._silent_looks += 1
        if self._silent_looks == self._silent_looks_max:
            log.error("worker hangs; it is ended", server_worker=self.index, pid=self.pid)
            self.send(HANGS)
        elif self._silent_looks > self._silent_looks_max:
            self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        # Not ``send_signal``: see ``asr.child``.
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _read(self) -> None:
        try:
            data = self._ours.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            if self._ours.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(self._ours.fileno())
            return
        *lines, rest = (bytes(self._line) + data).split(b"\n")
        self._line = bytearray(rest[:LINE_MAX_BYTES])
        for line in lines:
            with contextlib.suppress(ValueError):
                self._hear(json.loads(line))
        self._on_told()

    def _hear(self, told: dict[str, object]) -> None:
        self._heard_at_s = time.monotonic()
        self._silent_looks = 0
        if told.get("ready"):
            self._ready_at_s = self._heard_at_s
            self.udp = str(told.get("udp", ""))
        if told.get("reload"):
            self._on_reload()
        connections = told.get("connections")
        if isinstance(connections, int):
            self._connections, self._given = connections, 0
