"""Whoever listens is told; who fails hinders nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.projects.events import ProjectEvents


class Hears:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Mapping[str, Any]]] = []

    async def announce(self, project_id: str, event: str, data: Mapping[str, Any]) -> int:
        self.told.append((project_id, event, data))
        return 1

    async def announce_conversation(self, conversation_id: str, event: str) -> int:
        self.told.append((conversation_id, event, {}))
        return 1


class Fails:
    async def announce(self, project_id: str, event: str, data: Mapping[str, Any]) -> None:
        raise RuntimeError("of the test")

    async def announce_conversation(self, conversation_id: str, event: str) -> None:
        raise RuntimeError("of the test")


async def test_one_that_fails_does_not_keep_the_others_from_hearing() -> None:
    events, hears = ProjectEvents(), Hears()
    events.listen(Fails())
    events.listen(hears)
    await events.announce("p", "report.generated", {"report": {}})
    await events.announce_conversation("c", "conversation.summarized")
    assert hears.told == [("p", "report.generated", {"report": {}}), ("c", "conversation.summarized", {})]
