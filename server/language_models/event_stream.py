"""The events of a ``text/event-stream`` out of bytes, however they are cut. Pure.

Of the WHATWG's HTML standard, 9.2.6 ("Interpreting an event stream"), what servers of language models use: fields
``data``, lines that end with LF or CRLF, and comments, which are passed over.
"""

from __future__ import annotations

from protocol.errors import LanguageModelFailed

EVENT_MAX_BYTES = 1 << 20


class EventStream:
    """``feed`` it what comes; it keeps no more than ``event_max_bytes`` of an event that is not whole yet."""

    def __init__(self, *, event_max_bytes: int = EVENT_MAX_BYTES) -> None:
        self._event_max_bytes = event_max_bytes
        self._line = bytearray()
        self._data: list[str] = []
        self._data_bytes = 0

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that are whole now. Raises ``LanguageModelFailed`` for one that is too long."""
        found = []
        *ended, rest = piece.split(b"\n")
        for each in ended:
            self._line += each
            line = bytes(self._line).removesuffix(b"\r")
            self._line.clear()
            self._check(len(line))
            if line:
                self._take(line)
            elif self._data:
                found.append("\n".join(self._data))
                self._data, self._data_bytes = [], 0
        self._line += rest
        self._check(len(self._line))
        return found

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data_bytes += len(value)
            self._data.append(value.decode("utf-8", "replace"))

    def _check(self, line_bytes: int) -> None:
        if self._data_bytes + line_bytes > self._event_max_bytes:
            raise LanguageModelFailed("the language model's server answered more than could be an answer")
