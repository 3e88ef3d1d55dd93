"""What a node has yet to tell the others: the newest of each kind only."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from protocol.events import Event, Interim, Transcribed
from server.bus import Deleted, Message, Stored
from server.nodes.told import Told, Wanted

# Far more than a node has live: reached only while Redis is away or too slow.
TRANSCRIPTS_MAX = 4096  # of which something was stored, or that are deleted; policy: the oldest are forgotten
INTERIMS_MAX = 1024  # policy: the oldest are forgotten; the next of the segment is there in a moment

K = TypeVar("K")
T = TypeVar("T")


class Outgoing:
    """Of a transcript the highest seq, of an open segment the newest interim.

    Interims are given before the news of what was stored, so that an interim whose final is stored does not come after
    it. What is forgotten costs readers on other nodes a few seconds: they look into the journal from time to time.
    """

    def __init__(self) -> None:
        self._interims: OrderedDict[tuple[str, str], Interim] = OrderedDict()
        self._stored: OrderedDict[str, Stored] = OrderedDict()
        self._deleted: OrderedDict[str, Deleted] = OrderedDict()
        self._wanted: OrderedDict[str, Wanted] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wanted) + len(self._interims) + len(self._stored) + len(self._deleted)

    def put(self, message: Message | Wanted) -> None:
        if isinstance(message, Wanted):
            self._wanted[message.transcript_id] = message
        elif isinstance(message, Interim):
            # At its old place: one that is told more often waits no longer for that.
            self._interims[message.transcript_id, message.segment.segment_id] = message
        elif isinstance(message, Deleted):
            self._deleted[message.transcript_id] = message
        else:
            if isinstance(message, Event) and isinstance(message.body, Transcribed):
                self._interims.pop((message.transcript_id, message.body.segment.segment_id), None)
            known = self._stored.get(message.transcript_id)
            if known is None or known.seq < message.seq:
                self._stored[message.transcript_id] = Stored(message.transcript_id, message.seq)
        for waiting, most in (
            (self._interims, INTERIMS_MAX),
            (self._stored, TRANSCRIPTS_MAX),
            (self._deleted, TRANSCRIPTS_MAX),
            (self._wanted, TRANSCRIPTS_MAX),
        ):
            if len(waiting) > most:
                waiting.popitem(last=False)

    def take(self, most: int) -> list[Told]:
        """The next ones, which are not kept."""
        wanted = _first(self._wanted, most)
        interims = _first(self._interims, most - len(wanted))
        stored = _first(self._stored, most - len(wanted) - len(interims))
        deleted = _first(self._deleted, most - len(wanted) - len(interims) - len(stored))
        return [*wanted, *interims, *stored, *deleted]

    def give_back(self, told: list[Told]) -> None:
        """They were not heard. Interims are old by now, and wanted again when others can be heard again."""
        for each in told:
            if not isinstance(each, Interim | Wanted):
                self.put(each)

    def forget_interims(self) -> None:
        self._interims.clear()


def _first(waiting: OrderedDict[K, T], most: int) -> list[T]:
    return [waiting.popitem(last=False)[1] for _ in range(min(most, len(waiting)))]
