"""What clients of a neighbouring system ask for under ``/api``, without a transcript of ours."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.jobs import chat, summary

ROUTERS: tuple[APIRouter, ...] = (
    summary.router,
    chat.router,
)
