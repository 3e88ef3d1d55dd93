"""Identifiers. A transcript's id is its capability in public mode, so it must not be guessable: 122 random bits."""

from __future__ import annotations

import secrets
import uuid


def new_transcript_id() -> str:
    return str(uuid.uuid4())


def is_transcript_id(text: str) -> bool:
    """Whether ``text`` is an id as we spell them. Anything else never reaches a path or a query."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def new_track_id() -> str:
    return f"trk_{secrets.token_hex(8)}"


def new_upload_id() -> str:
    return f"upl_{secrets.token_hex(8)}"


def new_segment_id() -> str:
    return f"seg_{secrets.token_hex(8)}"


def new_node_id() -> str:
    return f"nod_{secrets.token_hex(8)}"


def new_room_id() -> str:
    return str(uuid.uuid4())


def new_meeting_id() -> str:
    return str(uuid.uuid4())


def new_bot_id() -> str:
    return str(uuid.uuid4())


def new_meeting_part_id() -> str:
    return str(uuid.uuid4())


def new_provider_part_id() -> str:
    return str(uuid.uuid4())


def new_endpoint_id() -> str:
    return str(uuid.uuid4())


def new_project_id() -> str:
    return str(uuid.uuid4())


def new_tag_id() -> str:
    return str(uuid.uuid4())


def new_chunk_id() -> str:
    return str(uuid.uuid4())


def new_webhook_id() -> str:
    return str(uuid.uuid4())


def new_hook_event_id() -> str:
    return f"evt_{secrets.token_hex(12)}"


def new_delivery_id() -> str:
    return f"dlv_{secrets.token_hex(12)}"


def new_report_id() -> str:
    return str(uuid.uuid4())


def new_summary_id() -> str:
    return str(uuid.uuid4())


def new_subscription_id() -> str:
    return str(uuid.uuid4())


def new_participant_id() -> str:
    return f"par_{secrets.token_hex(8)}"


def new_merge_id() -> str:
    return f"mrg_{secrets.token_hex(12)}"


def new_enrolled_voice_id() -> str:
    return str(uuid.uuid4())


def new_session_id() -> str:
    return f"ses_{secrets.token_hex(8)}"


def new_request_id() -> str:
    return f"req_{secrets.token_hex(8)}"
