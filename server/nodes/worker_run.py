"""One of several workers: ``python -m server.nodes.worker_run --fd N``, started by ``server.nodes.workers``."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import socket
import sys
from collections.abc import Sequence

import structlog

from asr.sharing import links_in
from protocol.errors import EarshotError
from server.app import build_app
from server.logs import set_up_logs
from server.nodes.entrance import WorkerEntrance, read_orders
from server.nodes.worker_process import HANGS
from server.serving import Serving, event_loop, keep_what_is_there, listen

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when it was told to leave, 1 when it could not start, as of a server that is alone."""
    faulthandler.register(HANGS, all_threads=True)
    parser = argparse.ArgumentParser(prog="server.nodes.worker_run")
    parser.add_argument("--fd", type=int, required=True, help="the socket to the process that starts it, inherited")
    parent = socket.socket(fileno=parser.parse_args(arguments).fd)
    orders = read_orders(parent)
    settings = orders.settings
    set_up_logs(settings)
    structlog.contextvars.bind_contextvars(server_worker=orders.index)
    entrance = WorkerEntrance(orders, parent, listen)
    app = build_app(settings, sharing=links_in(orders.folder, entrance.ask_reload), worker=orders.index)
    serving = Serving(settings, app=app, on_ready=keep_what_is_there, entrance=entrance)
    try:
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            runner.run(serving.run())
    except EarshotError as error:
        return _failed(parent, error.message)
    except OSError as error:
        return _failed(parent, error.strerror or str(error))
    return 0


def _failed(parent: socket.socket, reason: str) -> int:
    log.error("cannot start", reason=reason)
    parent.setblocking(True)
    parent.sendall(json.dumps({"failed": reason}).encode() + b"\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
