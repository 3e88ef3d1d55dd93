"""Bots and recordings as those that send bots are used to see them."""

from __future__ import annotations

from typing import Any

from server.bots.download_urls import DownloadUrls
from server.doors.v1.views import iso
from server.store.bot_store import Bot
from server.store.endpoint_store import Endpoint

# Of each kind of media, its documents and what their addresses are called.
MEDIA: dict[str, dict[str, str]] = {
    "transcript": {"download_url": "transcript", "provider_data_download_url": "provider_data"},
    "participant_events": {
        "participants_download_url": "participants",
        "participant_events_download_url": "participant_events",
        "speaker_timeline_download_url": "speaker_timeline",
    },
    "audio_mixed": {"download_url": "audio_mixed"},
    "audio_separate": {"download_url": "audio_separate"},
    "video_separate": {"download_url": "video_separate"},
}
SHORTCUTS = ("transcript", "participant_events", "audio_mixed")  # the others have lists alone
NOT_MADE = ("video_mixed", "meeting_metadata")


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
    ended_at = bot.status_at if status["code"] in ("done", "failed") else None
    media: dict[str, Any] = dict.fromkeys(NOT_MADE)
    media |= {kind: media_view(bot, kind, urls, base_url) for kind in SHORTCUTS}
    return {
        "id": transcript.id,
        "created_at": iso(transcript.created_at),
        "started_at": None if bot.began is None else iso(bot.began.at),
        "completed_at": None if ended_at is None else iso(ended_at),
        "expires_at": None,
        "status": status,
        "media_shortcuts": media,
        "realtime_endpoints": [{"id": each.id, "metadata": {}} for each in bot.endpoints],
        "bot": {"id": bot.id, "metadata": dict(bot.metadata)},
        "metadata": {},
    }


def media_view(bot: Bot, kind: str, urls: DownloadUrls, base_url: str) -> dict[str, Any]:
    """One kind of media of a recording, whose id it has. Addresses are null until the recording is done."""
    status = _status(bot)
    return {
        "id": bot.transcript.id,
        "created_at": iso(bot.transcript.created_at),
        "status": status,
        "metadata": {},
        "data": {
            name: base_url + urls.url(document, bot.transcript.id) if status["code"] == "done" else None
            for name, document in MEDIA[kind].items()
        },
    }


def endpoint_view(endpoint: Endpoint, bot: Bot) -> dict[str, Any]:
    """Its address is not told: it may hold a secret."""
    status = {"code": endpoint.status, "sub_code": endpoint.sub_code, "updated_at": iso(endpoint.updated_at)}
    return {
        "id": endpoint.id,
        "type": endpoint.type,
        "created_at": iso(endpoint.created_at),
        "events": list(endpoint.events),
        "status": status,
        "metadata": {},
        "recording": {"id": bot.transcript.id, "metadata": {}},
        "bot": {"id": bot.id, "metadata": dict(bot.metadata)},
    }


def _status(bot: Bot) -> dict[str, Any]:
    return {"code": bot.status, "sub_code": None, "updated_at": iso(bot.status_at)}
