"""The first API: transcripts, their sound, and the sockets, under ``/v1``."""

from __future__ import annotations

from fastapi import APIRouter

from server.doors.v1 import (
    accounts,
    attending,
    audio,
    deletion,
    describe,
    download,
    engine,
    enrolled_voices,
    export,
    ice,
    listen,
    meetings,
    participants,
    rooms,
    search,
    speaker_figures,
    speakers,
    stream,
    topics,
    transcripts,
    upload_chunks,
    webrtc,
)

ROUTERS: tuple[APIRouter, ...] = (
    describe.router,
    accounts.router,
    search.router,  # before transcripts, for which "search" would be an id
    transcripts.router,
    deletion.router,
    audio.router,
    upload_chunks.router,
    export.router,
    download.router,
    participants.router,
    speakers.router,
    enrolled_voices.router,
    speaker_figures.router,
    topics.router,
    webrtc.router,
    ice.router,
    listen.router,
    stream.router,
    engine.router,
    rooms.router,
    meetings.router,
    attending.router,
)
