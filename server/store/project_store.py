"""Projects as the store keeps them. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from protocol import ids
from protocol.errors import Overloaded
from server.store import enrolled_store, projects, webhooks
from server.store.database import Transaction
from server.store.project_records import Project, Tag
from server.store.standing import EVERYBODY, Viewer


class ProjectStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def create(
        self,
        *,
        name: str,
        owner: str | None,
        language: str,
        is_open: bool,
        portal: dict[str, Any],
        tags: Sequence[str] = (),
        tags_max: int,
        projects_max: int,
    ) -> Project:
        """Raises ``Overloaded`` when there are too many projects, ``Conflict`` for two tags of one text."""
        now = self._clock()
        project = Project(
            id=ids.new_project_id(),
            owner=owner,
            name=name,
            language=language,
            is_open=is_open,
            portal=portal,
            created_at=now,
            updated_at=now,
            deleted_at=None,
        )
        async with self._write() as conn:
            if await projects.count(conn) >= projects_max:
                raise Overloaded(
                    "there are as many projects as may be; delete one first", details={"max": projects_max}
                )
            await projects.create(conn, project)
            await projects.add_tags(conn, self._new_tags(project.id, tags), tags_max=tags_max)
            return await projects.get(conn, project.id)

    async def get(self, project_id: str) -> Project:
        async with self._read() as conn:
            return await projects.get(conn, project_id)

    async def page(self, *, page: int, size: int, viewer: Viewer = EVERYBODY) -> tuple[list[Project], int]:
        """One page (from 1), newest first, and how many there are in all."""
        async with self._read() as conn:
            return await projects.page(conn, number=page, size=size, viewer=viewer)

    async def change(self, project_id: str, values: dict[str, Any], *, portal: dict[str, Any] | None = None) -> Project:
        """Change the columns in ``values`` and the keys in ``portal``."""
        async with self._write() as conn:
            kept = (await projects.get(conn, project_id, hold=True)).portal
            if portal:
                values = values | {"portal": kept | portal}
            await projects.change(conn, project_id, values, now=self._clock())
            return await projects.get(conn, project_id)

    async def delete(self, project_id: str) -> None:
        """Nobody can begin a conversation any more; those there are stay, and go on. Its webhooks and the voices
        that are enrolled in it go with it."""
        async with self._write() as conn:
            await webhooks.delete_of(conn, project_id)
            await enrolled_store.delete_of(conn, project_id)
            await projects.delete(conn, project_id, now=self._clock())

    # Tags.

    async def add_tag(self, project_id: str, text: str, *, tags_max: int) -> Tag:
        [tag] = self._new_tags(project_id, [text])
        async with self._write() as conn:
            await projects.get(conn, project_id, hold=True)
            await projects.add_tags(conn, [tag], tags_max=tags_max)
        return tag

    async def rename_tag(self, project_id: str, tag_id: str, text: str) -> Tag:
        async with self._write() as conn:
            await projects.get(conn, project_id, hold=True)
            return await projects.rename_tag(conn, project_id, tag_id, text)

    async def delete_tag(self, project_id: str, tag_id: str) -> None:
        async with self._write() as conn:
            await projects.delete_tag(conn, project_id, tag_id)

    def _new_tags(self, project_id: str, texts: Sequence[str]) -> list[Tag]:
        now = self._clock()
        # A moment apart, so that they stay in the order that they were given in.
        return [Tag(ids.new_tag_id(), project_id, text, now + at / 1e6) for at, text in enumerate(texts)]
