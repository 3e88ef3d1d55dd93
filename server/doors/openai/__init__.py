"""What OpenAI's clients ask for: words of files, models, and live words over a socket or by WebRTC."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.openai import calls, client_secrets, models, realtime, transcriptions

ROUTERS: tuple[APIRouter, ...] = (
    models.router,
    transcriptions.router,
    realtime.router,
    client_secrets.router,
    calls.router,
)
