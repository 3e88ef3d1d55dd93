"""What hosts ask for, under ``/api/projects``."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.projects import exports, projects, qr, reports, tags, webhooks

ROUTERS: tuple[APIRouter, ...] = (
    projects.router,
    tags.router,
    exports.router,
    reports.router,
    webhooks.router,
    qr.router,
)
