"""The WebSocket protocol of Vosk's server."""

from server.doors.vosk import live

ROUTERS = (live.router,)
