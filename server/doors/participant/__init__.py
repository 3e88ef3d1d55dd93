"""What participants ask for, without an account, under ``/api/participant``."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.participant import chunks, conversations, projects, reports

ROUTERS: tuple[APIRouter, ...] = (projects.router, conversations.router, chunks.router, reports.router)
