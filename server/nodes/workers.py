"""Several server processes on one machine, behind one port: each a whole node, with the inference processes in common.

This process serves nobody. It owns the inference processes (``asr.sharing``), listens, and gives each connection to the
worker that has the fewest (``server.nodes.entrance``). A worker that dies is started again after a while; what it held
others take over, or its successor. One that hangs is ended first: it would keep its files open. When this process is
told to stop, each worker drains as a server that is alone would, at the same time; when it dies, so do the workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from asr.sharing import SharedEngines
from asr.watch import Backoff
from server.leaving import leaves_within_s
from server.logs import set_up_logs
from server.nodes.worker_orders import WorkerOrders, settings_of
from server.nodes.worker_process import LOOK_EVERY_S, WorkerProcess
from server.recogniser import worker_settings
from server.serving import EXIT_HARD, event_loop, listen
from server.settings import Settings
from server.shown_url import shown_url

log = structlog.get_logger(__name__)

FIRST_DELAY_S = 0.5  # until one that died is started again; twice as long each time, and from here again after health
NOBODY_TAKES_S = 0.05
ACCEPT_AGAIN_S = 0.5  # no descriptor may be left for a while


def serve_workers(settings: Settings, *, announce: Callable[[str], None] | None = None) -> int:
    """Serve with ``settings.workers`` processes until told to stop; the exit code."""
    set_up_logs(settings)
    try:
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            return runner.run(Workers(settings, announce=announce).run())
    except OSError as error:
        log.error("cannot listen", reason=error.strerror or str(error))
        return 1


class Workers:
    """The workers of one machine. ``run`` returns when all of them are gone."""

    def __init__(self, settings: Settings, *, announce: Callable[[str], None] | None = None) -> None:
        self._settings = settings
        self._announce = announce or (lambda _: None)
        self._workers: dict[int, WorkerProcess] = {}
        self._folder = Path()
        self._url = ""
        self._somebody = asyncio.Event()  # is ready
        self._leaving = asyncio.Event()
        self._is_announced = False
        self._could_not_start = False

    async def run(self) -> int:
        """The exit code. Raises ``OSError`` when the address cannot be listened on."""
        with listen(self._settings) as listening, tempfile.TemporaryDirectory(prefix="earshot-") as folder:
            self._folder = Path(folder)
            self._url = shown_url(self._settings.host, listening.getsockname()[1])
            engines = SharedEngines(worker_settings(self._settings), self._folder)
            await engines.start()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_signal)
            keeping = [asyncio.create_task(self._keep(index, engines)) for index in range(self._settings.workers)]
            beside = [
                asyncio.create_task(self._give_out(listening), name="give out"),
                asyncio.create_task(self._watch(), name="watch"),
            ]
            try:
                await asyncio.gather(*keeping)
            finally:
                for task in (*keeping, *beside):
                    task.cancel()
                await asyncio.gather(*keeping, *beside, return_exceptions=True)
                await engines.stop()
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.remove_signal_handler(number)
        return 1 if self._could_not_start else 0

    # One worker.

    async def _keep(self, index: int, engines: SharedEngines) -> None:
        """Have one of this number there, until all are to leave."""
        orders = WorkerOrders(index, self._folder, settings_of(self._settings, index))
        backoff = Backoff(first_s=FIRST_DELAY_S)
        while not self._leaving.is_set():
            worker = self._workers[index] = WorkerProcess(orders, self._look, engines.begin_anew)
            try:
                await worker.start()
                how = await worker.wait()
            finally:
                worker.close()
            self._look()
            if self._leaving.is_set():
                return
            if not self._is_announced:
                log.error("cannot start: a worker could not", server_worker=index, how=how)
                self._could_not_start = True
                self._leave()
                return
            delay_s = backoff.after(worker.ready_for_s)
            log.error("worker lost", server_worker=index, how=how, restart_in_s=delay_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), delay_s)

    async def _watch(self) -> None:
        """While they leave, they have a deadline of their own."""
        while not self._leaving.is_set():
            await asyncio.sleep(LOOK_EVERY_S)
            for worker in self._workers.values():
                worker.look()

    def _look(self) -> None:
        """One of them told something, or is gone."""
        ready = [worker for worker in self._workers.values() if worker.is_ready]
        if ready:
            self._somebody.set()
        else:
            self._somebody.clear()
        if not self._is_announced and len(ready) == self._settings.workers:
            self._is_announced = True
            log.info("serving", workers=len(ready), url=self._url)
            self._announce(f"Earshot is at {self._url}, with {len(ready)} workers")
            self._announce(f"WebRTC: UDP {', '.join(worker.udp for worker in ready)}")

    # Connections.

    async def _give_out(self, listening: socket.socket) -> None:
        """Each to the one that has the fewest. The kernel would wake all and let the first have it, or go by the
        client's port (SO_REUSEPORT): sockets stay for hours, and neither knows who has many."""
        loop = asyncio.get_running_loop()
        while True:
            await self._somebody.wait()
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:
                log.error("cannot accept connections", error=type(error).__name__)
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            with connection:
                for _ in itertools.count():
                    if self._given(connection):
                        break
                    await asyncio.sleep(NOBODY_TAKES_S)  # those that come meanwhile wait in the kernel

    def _given(self, connection: socket.socket) -> bool:
        ready = [worker for worker in self._workers.values() if worker.is_ready]
        random.shuffle(ready)  # among equals not always the same
        return any(worker.give(connection) for worker in sorted(ready, key=lambda worker: worker.load))

    # The end.

    def _on_signal(self) -> None:
        if self._leaving.is_set():
            log.warning("stopped at once")
            self._end(EXIT_HARD)
        log.info("stopping; once more to stop at once")
        last = threading.Timer(leaves_within_s(self._settings.drain_deadline_s), self._end, (0,))
        last.daemon = True
        last.start()
        self._leave()

    def _leave(self) -> None:
        self._leaving.set()
        for worker in self._workers.values():
            worker.send(signal.SIGTERM)

    def _end(self, code: int) -> None:
        """Now, whatever is still open; the inference processes end with us."""
        for worker in self._workers.values():
            worker.send(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)
        sys.stderr.flush()
        os._exit(code)
