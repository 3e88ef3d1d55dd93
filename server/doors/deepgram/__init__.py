"""Deepgram's speech-to-text API, ``/v1/listen``: live by WebSocket, and recordings by POST."""

from server.doors.deepgram import live, recorded

ROUTERS = (live.router, recorded.router)
