"""Whoever listens is told; who fails hinders nobody."""

from __future__ import annotations

from typing import Any

from server.projects.events import ProjectEvents


async def test_one_that_fails_does_not_keep_the_others_from_hearing() -> None:
    heard: list[tuple[str, str, dict[str, Any]]] = []

    async def fails(project_id: str, event: str, data: dict[str, Any]) -> None:
        raise RuntimeError("of the test")

    async def hears(project_id: str, event: str, data: dict[str, Any]) -> None:
        heard.append((project_id, event, data))

    events = ProjectEvents()
    for listener in (fails, hears):
        events.listen(listener)
    await events.announce("p", "report.generated", {"report": {}})
    assert heard == [("p", "report.generated", {"report": {}})]
