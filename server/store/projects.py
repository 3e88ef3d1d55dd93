"""Statements about projects and their tags. Each runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import Conflict, NotFound
from server.store.project_records import Project, Tag
from server.store.project_tables import project_tags, projects
from server.store.records import storable
from server.store.standing import Viewer, owned_by

_LIVING = projects.c.deleted_at.is_(None)


def not_found() -> NotFound:
    return NotFound("no such project")


async def create(conn: AsyncConnection, project: Project) -> None:
    await conn.execute(
        sa.insert(projects).values(
            id=project.id,
            owner=project.owner,
            name=storable(project.name),
            language=project.language,
            is_open=project.is_open,
            portal=json.dumps(project.portal),
            created_at=project.created_at,
            updated_at=project.updated_at,
        )
    )


async def get(conn: AsyncConnection, project_id: str, *, hold: bool = False) -> Project:
    """One that is not deleted, with its tags. ``hold``: nobody else changes it before the transaction ends."""
    wanted = sa.select(projects).where(projects.c.id == project_id, _LIVING)
    row = (await conn.execute(wanted.with_for_update() if hold else wanted)).one_or_none()
    if row is None:
        raise not_found()
    return (await _records(conn, [row]))[0]


async def page(conn: AsyncConnection, *, number: int, size: int, viewer: Viewer) -> tuple[list[Project], int]:
    """Newest first."""
    wanted = sa.and_(_LIVING, owned(viewer))
    total = (await conn.execute(sa.select(sa.func.count()).select_from(projects).where(wanted))).scalar_one()
    rows = await conn.execute(
        sa.select(projects)
        .where(wanted)
        .order_by(projects.c.created_at.desc(), projects.c.id.desc())
        .limit(size)
        .offset((number - 1) * size)
    )
    return await _records(conn, rows.all()), total


def owned(viewer: Viewer) -> sa.ColumnElement[bool]:
    """A project is its owner's: nothing of it is shared but what participants see."""
    return sa.true() if viewer.sees_all else owned_by(projects, viewer)


async def count(conn: AsyncConnection) -> int:
    return (await conn.execute(sa.select(sa.func.count()).select_from(projects).where(_LIVING))).scalar_one()


async def change(conn: AsyncConnection, project_id: str, values: dict[str, Any], *, now: float) -> None:
    values = {key: storable(value) if isinstance(value, str) else value for key, value in values.items()}
    if "portal" in values:
        values["portal"] = json.dumps(values["portal"])
    done = await conn.execute(
        sa.update(projects).where(projects.c.id == project_id, _LIVING).values(**values, updated_at=now)
    )
    if done.rowcount == 0:
        raise not_found()


async def delete(conn: AsyncConnection, project_id: str, *, now: float) -> None:
    """It stays for the conversations that name it."""
    await change(conn, project_id, {"deleted_at": now, "is_open": False}, now=now)


# Tags.


async def add_tags(conn: AsyncConnection, tags: Sequence[Tag], *, tags_max: int) -> None:
    """Raises ``Conflict`` where the project would have more than ``tags_max``, or one twice. It is held already."""
    if not tags:
        return
    known = [each.text for each in (await _tags(conn, [tags[0].project_id])).get(tags[0].project_id, ())]
    texts = [*known, *(each.text for each in tags)]
    if len(texts) > tags_max:
        raise Conflict("this project has as many tags as it may have", details={"max": tags_max})
    if len({text.casefold() for text in texts}) < len(texts):
        raise Conflict("this project has such a tag already", details={"tags": known})
    values = [{**_values(each), "text": storable(each.text)} for each in tags]
    await conn.execute(sa.insert(project_tags), values)


async def rename_tag(conn: AsyncConnection, project_id: str, tag_id: str, text: str) -> Tag:
    """Raises ``Conflict`` where another has that text. The project is held already."""
    tags = {each.id: each for each in (await _tags(conn, [project_id])).get(project_id, ())}
    if tag_id not in tags:
        raise NotFound("no such tag")
    if any(each.text.casefold() == text.casefold() for each in tags.values() if each.id != tag_id):
        raise Conflict("this project has such a tag already")
    await conn.execute(sa.update(project_tags).where(project_tags.c.id == tag_id).values(text=storable(text)))
    return Tag(tag_id, project_id, text, tags[tag_id].created_at)


async def delete_tag(conn: AsyncConnection, project_id: str, tag_id: str) -> None:
    done = await conn.execute(
        sa.delete(project_tags).where(project_tags.c.id == tag_id, project_tags.c.project_id == project_id)
    )
    if done.rowcount == 0:
        raise NotFound("no such tag")


async def _tags(conn: AsyncConnection, project_ids: Sequence[str]) -> dict[str, list[Tag]]:
    """In the order they were made."""
    rows = await conn.execute(
        sa.select(project_tags)
        .where(project_tags.c.project_id.in_(project_ids))
        .order_by(project_tags.c.created_at, project_tags.c.id)
    )
    found: dict[str, list[Tag]] = {}
    for row in rows:
        found.setdefault(row.project_id, []).append(Tag(row.id, row.project_id, row.text, row.created_at))
    return found


def _values(tag: Tag) -> dict[str, Any]:
    return {name: getattr(tag, name) for name in Tag.__dataclass_fields__}


async def _records(conn: AsyncConnection, rows: Sequence[sa.Row[Any]]) -> list[Project]:
    tags = await _tags(conn, [row.id for row in rows]) if rows else {}
    return [
        Project(
            id=row.id,
            owner=row.owner,
            name=row.name,
            language=row.language,
            is_open=row.is_open,
            portal=json.loads(row.portal),
            created_at=row.created_at,
            updated_at=row.updated_at,
            deleted_at=row.deleted_at,
            tags=tuple(tags.get(row.id, ())),
        )
        for row in rows
    ]
