"""What webhooks are told: the bytes of each event. They are made once, kept, and sent as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from protocol.blocks import seconds
from protocol.errors import TooLarge
from server.store.conversation_records import Conversation
from server.store.project_records import Project
from server.store.records import Transcript

EventName = Literal["conversation.started", "conversation.transcribed", "conversation.summarized", "report.generated"]
EVENTS: Sequence[str] = get_args(EventName)
TEST = "webhook.test"
WITH_TRANSCRIPT = frozenset({"conversation.transcribed", "conversation.summarized"})
WITH_SUMMARY = frozenset({"conversation.summarized"})

BODY_MAX_BYTES = 1 << 20


def body_of(
    event: str, *, event_id: str, at: float, project: Project, data: Mapping[str, Any], link: str | None = None
) -> bytes:
    """``at``: epoch seconds of what happened. ``link``: to a page about it, for people.

    Raises ``TooLarge`` above ``BODY_MAX_BYTES``, ``ValueError`` for what is no JSON.
    """
    payload = {
        "event": event,
        "event_id": event_id,
        "timestamp": _iso(at),
        **data,
        "project": {"id": project.id, "name": project.name, "language": project.language},
        "dashboardUrl": link,
    }
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = text.encode("utf-8", "replace")
    if len(body) > BODY_MAX_BYTES:
        raise TooLarge("this is more than a webhook is told at once", details={"max_bytes": BODY_MAX_BYTES})
    return body


def conversation_data(
    event: str, conversation: Conversation, transcript: Transcript, project: Project, *, text: str
) -> dict[str, Any]:
    """``text``: what was said. Where the event brings it, and it is too long, ``transcript`` is null and
    ``transcript_omitted`` true: it can be read over REST."""
    tags = {tag.id: tag.text for tag in project.tags}
    told: dict[str, Any] = {
        "id": conversation.id,
        "created_at": _iso(conversation.created_at),
        "updated_at": _iso(transcript.updated_at),
        "title": transcript.title or None,
        "participant_name": conversation.name or None,
        "duration": round(seconds(transcript.duration_samples), 3),
        "source": conversation.source,
        "is_finished": conversation.finished_at is not None,
        "is_all_chunks_transcribed": conversation.closed_at is not None,
        "tags": [tags[tag] for tag in conversation.tags if tag in tags],
        "emails_csv": conversation.email or "",
    }
    if event in WITH_TRANSCRIPT:
        is_long = len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) > BODY_MAX_BYTES // 2
        told |= {"transcript": None if is_long else text, "transcript_omitted": is_long}
    if event in WITH_SUMMARY:
        told["summary"] = (transcript.summary or {}).get("summary") or None
    return {"conversation": told}


def _iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
