"""Lists of what bots recorded: pages that stay as they are while more comes, and which of all are wanted."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from pydantic import BaseModel, BeforeValidator

from protocol.errors import ValidationFailed
from protocol.ids import is_transcript_id
from server.doors.access import base_url_of, principal_of, services_of
from server.store.bot_store import Bot, BotsWanted, Cursor, StatusCode

PAGE_BOTS = 100
CURSOR_MAX_CHARS = 256
FORWARDS, BACK = "n", "p"


def _written(text: object) -> object:
    """A number is no date: pydantic would read it as seconds since 1970."""
    if isinstance(text, str) and "-" in text[1:]:
        return text
    raise ValueError("Input should be a date and time of ISO 8601")


Moment = Annotated[datetime, BeforeValidator(_written)]


class Wanted(BaseModel):
    """What may be asked of every list."""

    cursor: str | None = Query(
        None, max_length=CURSOR_MAX_CHARS, description="Where a page goes on; next and previous of another have it."
    )
    bot_id: str | None = Query(None, max_length=64, description="Only of this bot.")
    recording_id: str | None = Query(None, max_length=64, description="Only of this recording.")
    status_code: StatusCode | None = Query(None, description="Only of recordings that are so now.")
    created_at_after: Moment | None = Query(None, description="ISO 8601; without a zone UTC.")
    created_at_before: Moment | None = Query(None, description="As created_at_after.")

    def bots(self) -> BotsWanted:
        return BotsWanted(
            bot_id=self.bot_id,
            transcript_id=self.recording_id,
            status=self.status_code,
            created_after=_epoch(self.created_at_after),
            created_before=_epoch(self.created_at_before),
        )


Asked = Annotated[Wanted, Query()]


async def page(
    request: Request, path: str, asked: Wanted, view: Callable[[Bot], dict[str, Any]], *, has_endpoints: bool = False
) -> dict[str, Any]:
    """One's own, the newest first; ``has_endpoints``: only those that name any. Raises ``ValidationFailed`` for a
    cursor that none of ours is."""
    direction, cursor = (FORWARDS, None) if asked.cursor is None else _read(asked.cursor)
    back = direction == BACK
    found = await services_of(request).store.bots.newest(
        principal_of(request).viewer,
        limit=PAGE_BOTS + 1,
        before=None if back else cursor,
        after=cursor if back else None,
        wanted=replace(asked.bots(), has_endpoints=has_endpoints),
    )
    goes_on = len(found) > PAGE_BOTS
    found = found[-PAGE_BOTS:] if back else found[:PAGE_BOTS]
    is_after, is_before = (goes_on, cursor is not None) if not back else (True, goes_on)
    kept = asked.model_dump(mode="json", exclude_none=True, exclude={"cursor"})

    def address(direction: str, bot: Bot) -> str:
        return f"{base_url_of(request)}{path}?{urlencode(kept | {'cursor': _text(direction, bot.cursor)})}"

    return {
        "next": address(FORWARDS, found[-1]) if found and is_after else None,
        "previous": address(BACK, found[0]) if found and is_before else None,
        "results": [view(bot) for bot in found],
    }


def _epoch(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(direction: str, cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(json.dumps([direction, *cursor]).encode()).decode()


def _read(text: str) -> tuple[str, Cursor]:
    try:
        found: Any = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
        direction, made_at, id_ = found
        is_place = isinstance(made_at, float) and math.isfinite(made_at) and isinstance(id_, str)
        if direction in (FORWARDS, BACK) and is_place and is_transcript_id(id_):
            return direction, (made_at, id_)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        pass
    problem = {"field": "cursor", "problem": "use next or previous of another page, unchanged"}
    raise ValidationFailed("the cursor is not as it was given", details={"problems": [problem]})
