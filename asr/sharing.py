"""Inference processes that several server processes of one machine share.

One process owns them (``SharedEngines``): it starts, watches and restarts them, and gives them the credentials that
they need, as a client that has no sessions. Servers have a client each whose links go to the sockets in ``folder``
(``links_in``); they replay their own sessions when a process was lost, as with a child of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from asr.child import WORKER_COMMAND
from asr.client import AsrClient
from asr.link import ChildGone, SharedLink, Sharing, WorkerLink
from asr.watch import Backoff
from asr.worker_settings import WorkerSettings


class SharedEngines(AsrClient):
    """``folder`` must be its user's alone, and its path short: a socket's address has some hundred bytes."""

    def __init__(
        self,
        settings: WorkerSettings,
        folder: Path,
        *,
        command: Sequence[str] = WORKER_COMMAND,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(replace(settings, shared_in=str(folder)), command=command, backoff=backoff)


def links_in(folder: Path, reload: Callable[[], None] = lambda: None) -> Sharing:
    """Links to the processes that are shared there."""

    async def connect(settings: WorkerSettings, given_up: asyncio.Event) -> WorkerLink:
        path = replace(settings, shared_in=str(folder)).shared_at
        if path is None:
            raise ChildGone("there is no folder of shared inference processes")
        return await SharedLink.connect(path, given_up)

    return Sharing(connect, reload)
