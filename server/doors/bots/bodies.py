"""What is asked about bots."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from protocol.errors import ValidationFailed
from protocol.ids import is_transcript_id
from protocol.wire.stream import Language
from server.store.bot_store import Cursor

NAME_DEFAULT = "Meeting Notetaker"
METADATA_MAX = 50
PAGE_BOTS = 100
CURSOR_MAX_CHARS = 256

CursorText = Annotated[
    str | None,
    Query(max_length=CURSOR_MAX_CHARS, description="Where a page goes on; next of the one before has it."),
]
Short = Annotated[str, Field(max_length=500)]


class BotIn(BaseModel):
    """Unknown fields are ignored: those that send bots say more than we use."""

    model_config = ConfigDict(extra="ignore")

    bot_name: str = Field(default=NAME_DEFAULT, min_length=1, max_length=100)
    meeting_url: str | None = Field(default=None, max_length=2000, description="Where the meeting is; it is kept.")
    metadata: dict[Short, Short] = Field(default_factory=dict, max_length=METADATA_MAX, description="Kept, and told.")
    language: Language | None = Field(default=None, description="Of what is said; without it that of the server.")


def cursor_text(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()


def cursor_of(text: str | None) -> Cursor | None:
    """Raises ``ValidationFailed``."""
    if text is None:
        return None
    try:
        found: Any = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
        made_at, id_ = found
        if isinstance(made_at, float) and math.isfinite(made_at) and isinstance(id_, str) and is_transcript_id(id_):
            return made_at, id_
    except (ValueError, TypeError, binascii.Error, RecursionError):
        pass
    problem = {"field": "cursor", "problem": "use next of the page before, unchanged"}
    raise ValidationFailed("the cursor is not as it was given", details={"problems": [problem]})
