"""What bots that attend meetings, and those that send them, ask for under ``/api/v1``."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.bots import bots, download, recordings, stream

ROUTERS: tuple[APIRouter, ...] = (bots.router, recordings.router, download.router, stream.router)
