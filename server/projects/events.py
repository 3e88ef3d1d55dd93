"""What happens in projects, and who wants to be told: such as webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who wants to be told. What the methods return is nobody's business here."""

    def announce(self, project_id: str, event: str, data: Mapping[str, Any]) -> Awaitable[object]:
        """``event``: such as ``report.generated``; ``data``: what is told of it, ``{"report": {...}}``."""

    def announce_conversation(self, conversation_id: str, event: str) -> Awaitable[object]:
        """``event``: such as ``conversation.summarized``."""


class ProjectEvents:
    """Tells every listener, one after the other. What one of them runs into is logged and hinders nothing else."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """From now on it is told."""
        self._listeners.append(listener)

    async def announce(self, project_id: str, event: str, data: Mapping[str, Any]) -> None:
        await self._tell(event, lambda listener: listener.announce(project_id, event, data))

    async def announce_conversation(self, conversation_id: str, event: str) -> None:
        await self._tell(event, lambda listener: listener.announce_conversation(conversation_id, event))

    async def _tell(self, event: str, tell: Callable[[Listener], Awaitable[object]]) -> None:
        for listener in self._listeners:
            try:
                await tell(listener)
            except Exception:
                log.exception("somebody could not be told", told=event)
