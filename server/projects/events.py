"""What happens in projects, and who wants to be told: such as webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import structlog

log = structlog.get_logger(__name__)

ProjectEvent = Literal["conversation.summarized", "report.generated"]
Listener = Callable[[str, ProjectEvent, dict[str, Any]], Awaitable[None]]


class ProjectEvents:
    """Tells every listener, one after the other. What one of them runs into is logged and hinders nothing else."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """From now on it is awaited with a project's id, the event's name and its data."""
        self._listeners.append(listener)

    async def announce(self, project_id: str, event: ProjectEvent, data: dict[str, Any]) -> None:
        for listener in self._listeners:
            try:
                await listener(project_id, event, data)
            except Exception:
                log.exception("somebody could not be told", project=project_id, told=event)
