"""The bus wakes readers: what the journal tells reaches every listener of a transcript.

At most once, in the order of publishing, never stored: the store is the truth, and a listener that misses a durable
event sees the hole in ``seq`` and reads it there. So a bus between nodes may lose messages, and nothing is lost.
Between nodes a durable event is not told itself, only that it is there (``Stored``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from protocol.events import Event, Interim

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deleted:
    """The transcript is gone; nothing follows."""

    transcript_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The journal of the transcript, to be read in the store, reaches to ``seq``; old news are no error."""

    transcript_id: str
    seq: int


Message = Event | Interim | Deleted | Stored
# Called on the event loop; must not block and must not raise.
Listener = Callable[[Message], None]


class Bus(Protocol):
    def publish(self, message: Message) -> None:
        """Give it to all who listen to its transcript. Never blocks."""

    def listen(self, transcript_id: str, listener: Listener) -> Callable[[], None]:
        """Hear everything published from now on. Call the result to stop; calling it again does nothing."""


class InProcessBus:
    """Listeners are called at once, in the order they came. Queues nothing, so there is nothing to bound."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[object, Listener]] = {}

    def publish(self, message: Message) -> None:
        # A copy: a listener may stop, or start another, while it is called.
        for listener in tuple(self._listeners.get(message.transcript_id, {}).values()):
            try:
                listener(message)
            except Exception as error:
                # One broken reader hurts no other. Only the type: the text may hold speech.
                log.error("bus listener failed", error=type(error).__name__)

    def listen(self, transcript_id: str, listener: Listener) -> Callable[[], None]:
        token = object()
        self._listeners.setdefault(transcript_id, {})[token] = listener

        def stop() -> None:
            listeners = self._listeners.get(transcript_id, {})
            listeners.pop(token, None)
            if not listeners:
                self._listeners.pop(transcript_id, None)

        return stop

    @property
    def transcripts(self) -> frozenset[str]:
        """Those that somebody listens to."""
        return frozenset(self._listeners)
