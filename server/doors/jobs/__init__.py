"""Files in, words, summaries and answers out, under ``/api/transcribe`` and its neighbours."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.jobs import live, models_here, retranslate, transcribe

ROUTERS: tuple[APIRouter, ...] = (models_here.router, transcribe.router, live.router, retranslate.router)
