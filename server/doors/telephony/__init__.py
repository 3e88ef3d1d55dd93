"""Telephone calls: Twilio's Media Streams and Telnyx's media streaming."""

from server.doors.telephony import stream

ROUTERS = (stream.router,)
