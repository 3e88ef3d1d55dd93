"""What hosts ask for, under ``/api/projects``."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.projects import exports, projects, qr, tags

ROUTERS: tuple[APIRouter, ...] = (projects.router, tags.router, exports.router, qr.router)
