"""What participants ask for, without an account, under ``/api/participant``."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.participant import chunks, conversations, live, projects, reports

ROUTERS: tuple[APIRouter, ...] = (
    projects.router,
    conversations.router,
    live.router,
    chunks.router,
    reports.router,
)
