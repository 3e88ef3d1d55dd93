"""Bots and recordings as those that send bots are used to see them."""

from __future__ import annotations

import uuid
from typing import Any

from protocol.states import TranscriptState
from server.bots.download_urls import DownloadUrls
from server.doors.v1.views import iso
from server.store.bot_store import Bot

STATUS_OF_STATE: dict[TranscriptState, str] = {
    TranscriptState.IDLE: "processing",
    TranscriptState.RECORDING: "processing",
    TranscriptState.PAUSED: "paused",
    TranscriptState.PROCESSING: "processing",
    TranscriptState.ENDED: "done",
    TranscriptState.FAILED: "failed",
}
# Of each kind of media, its documents and what their addresses are called.
MEDIA: dict[str, dict[str, str]] = {
    "transcript": {"download_url": "transcript"},
    "participant_events": {
        "participants_download_url": "participants",
        "participant_events_download_url": "participant_events",
        "speaker_timeline_download_url": "speaker_timeline",
    },
}
NOT_MADE = ("video_mixed", "meeting_metadata", "audio_mixed")


def bot_view(bot: Bot, urls: DownloadUrls, base_url: str) -> dict[str, Any]:
    return {
        "id": bot.id,
        "bot_name": bot.name,
        "meeting_url": bot.meeting_url,
        "metadata": dict(bot.metadata),
        "created_at": iso(bot.created_at),
        "left_at": None if bot.left_at is None else iso(bot.left_at),
        "recordings": [recording_view(bot, urls, base_url)],
    }


def recording_view(bot: Bot, urls: DownloadUrls, base_url: str) -> dict[str, Any]:
    """``media_shortcuts``: addresses are null until it is done."""
    transcript = bot.transcript
    status = _status(bot)
    ended_at = transcript.updated_at if status["code"] in ("done", "failed") else None
    media: dict[str, Any] = dict.fromkeys(NOT_MADE)
    for kind, documents in MEDIA.items():
        media[kind] = {
            "id": str(uuid.uuid5(uuid.UUID(transcript.id), kind)),
            "created_at": iso(transcript.created_at),
            "status": status,
            "metadata": {},
            "data": {
                name: base_url + urls.url(document, transcript.id) if status["code"] == "done" else None
                for name, document in documents.items()
            },
        }
    return {
        "id": transcript.id,
        "created_at": iso(transcript.created_at),
        "started_at": None if bot.began is None else iso(bot.began.at),
        "completed_at": None if ended_at is None else iso(ended_at),
        "expires_at": None,
        "status": status,
        "media_shortcuts": media,
        "realtime_endpoints": [],
        "bot": {"id": bot.id, "metadata": dict(bot.metadata)},
        "metadata": {},
    }


def page_view(results: list[dict[str, Any]], next_url: str | None) -> dict[str, Any]:
    return {"next": next_url, "previous": None, "results": results}


def _status(bot: Bot) -> dict[str, Any]:
    transcript = bot.transcript
    code = STATUS_OF_STATE[transcript.state]
    return {"code": code, "sub_code": None, "updated_at": iso(transcript.updated_at)}
