"""What a meeting bot sends over its socket, whoever made it: three dialects, told apart by the first message.

| first message | dialect |
|---|---|
| JSON with ``event`` | Recall.ai's realtime events (``recall``) |
| JSON with ``trigger`` | attendee's (``attendee``) |
| JSON with ``protocol_version``, then binary frames | Recall.ai's older protocol |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.errors import InvalidMessage
from protocol.participants import MeetingParticipant
from protocol.wire import attendee, recall
from protocol.wire.bot_fields import RELATIVE_MAX_S, finite, samples
from protocol.wire.bot_items import Head, Item, Moment, Sound
from protocol.wire.dialects import Dialect
from protocol.wire.json_object import json_object

LEGACY_RATE_HZ = 16_000
ID_BYTES = 4


class BotMessages:
    """Reads the messages of one connection."""

    def __init__(self) -> None:
        self.dialect: Dialect | None = None
        self._head: Head | None = None

    def read(self, message: str | bytes) -> Item:
        """Raises ``InvalidMessage`` and ``AudioFormatError``, which cost no more than this message."""
        if isinstance(message, bytes):
            return self._frame(message)
        sent = json_object(message)
        dialect = _dialect_of(sent)
        if self.dialect is None:
            self.dialect = dialect
        elif dialect is not self.dialect:
            raise InvalidMessage(
                "a connection speaks as its first message did", details={"began": self.dialect, "got": dialect}
            )
        if dialect is Dialect.LEGACY:
            return self._begin(sent)
        return recall.parse(sent) if dialect is Dialect.RECALL else attendee.parse(sent)

    def _begin(self, sent: Mapping[str, Any]) -> Head:
        if self._head is not None:
            raise InvalidMessage("the sound of this connection was announced already")
        if sent["protocol_version"] != 1:
            raise InvalidMessage("protocol_version must be 1", details={"got": str(sent["protocol_version"])[:20]})
        is_separate = sent.get("separate_streams", False)
        if not isinstance(is_separate, bool):
            raise InvalidMessage("separate_streams must be true or false")
        offset_s = finite(sent.get("offset", 0.0), "offset", 0.0, RELATIVE_MAX_S)
        self._head = Head(is_separate, offset_s)
        return self._head

    def _frame(self, data: bytes) -> Sound:
        if self._head is None:
            raise InvalidMessage("binary frames come after a first message with protocol_version")
        participant = None
        if self._head.is_separate:
            if len(data) < ID_BYTES:
                raise InvalidMessage("a frame begins with the number of its participant", details={"bytes": len(data)})
            participant = MeetingParticipant(id=int.from_bytes(data[:ID_BYTES], "little"))
            data = data[ID_BYTES:]
        return Sound(participant, samples(data), LEGACY_RATE_HZ, Moment())


def _dialect_of(sent: Mapping[str, Any]) -> Dialect:
    for key, dialect in (
        ("event", Dialect.RECALL),
        ("trigger", Dialect.ATTENDEE),
        ("protocol_version", Dialect.LEGACY),
    ):
        if key in sent:
            return dialect
    raise InvalidMessage("this is none of a bot's messages: they have an event, a trigger or a protocol_version")
