"""What clients of a neighbouring system ask for under ``/api``: words of files, summaries and answers."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.jobs import chat, live, models_here, retranslate, summary, transcribe

ROUTERS: tuple[APIRouter, ...] = (
    models_here.router,
    transcribe.router,
    live.router,
    retranslate.router,
    summary.router,
    chat.router,
)
