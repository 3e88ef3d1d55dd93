"""Projects and their tags: what the store returns, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tag:
    id: str
    project_id: str
    text: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Project:
    """What a host gathers conversations in. ``*_at`` are epoch seconds."""

    id: str
    owner: str | None
    name: str
    language: str
    is_open: bool  # conversations may begin
    portal: dict[str, Any]  # what participants see and are asked: see server/projects/portal.py
    created_at: float
    updated_at: float
    deleted_at: float | None
    tags: tuple[Tag, ...] = ()
