"""What of a meeting's journal an endpoint is told, in the form in which it is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.events import Event, Interim, ParticipantActed, Transcribed
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire import recall_events
from protocol.wire.recall_documents import SpokenWord
from protocol.words import Segment
from server.bots.meeting_tracks import participant_id_of
from server.bots.timeline import UNKNOWN_ID, newer
from server.store.store import Store

FINALS_MAX = 5000


@dataclass(frozen=True, slots=True)
class Message:
    """``is_passing``: the next one of it says all of it again."""

    event: str
    inside: dict[str, Any]
    is_passing: bool


class EndpointEvents:
    """Knows who is who, by what the journal told so far. ``began_at``: when the recording began, in epoch seconds."""

    def __init__(self, store: Store, transcript_id: str, began_at: float, wanted: Collection[str]) -> None:
        self._store = store
        self._transcript_id = transcript_id
        self._began_at = began_at
        self._wanted = frozenset(wanted)
        self._participants: dict[int, MeetingParticipant] = {}
        self._speaking: dict[int, None] = {}  # who the bot was told speaks, the latest last
        self._tracks: dict[str, int | None] = {}
        self._finals: OrderedDict[str, None] = OrderedDict()  # that were told

    def know(self, acted: ParticipantActed) -> None:
        """What was told before, or is now."""
        id_ = acted.participant.id
        before = self._participants.get(id_)
        self._participants[id_] = acted.participant if before is None else newer(before, acted.participant)
        if acted.action is ParticipantAction.SPEECH_ON:
            self._speaking.pop(id_, None)
            self._speaking[id_] = None
        elif acted.action in (ParticipantAction.SPEECH_OFF, ParticipantAction.LEAVE):
            self._speaking.pop(id_, None)

    async def message(self, item: Event | Interim) -> Message | None:
        """None where the endpoint does not want to know. Raises what the store raises."""
        body = item.body if isinstance(item, Event) else item
        match body:
            case ParticipantActed():
                self.know(body)
                name = f"{recall_events.OF_PARTICIPANTS}.{body.action.value}"
                inside = recall_events.acted(body, self._began_at)
                return Message(name, inside, is_passing=False) if name in self._wanted else None
            case Transcribed() | Interim():
                return await self._said(body.segment, body.track_started_at)
            case _:
                return None

    async def _said(self, segment: Segment, track_started_at: float) -> Message | None:
        name = recall_events.FINAL if segment.is_final else recall_events.PARTIAL
        # A later revision of a final, what is cut off from one, and what is taken back, have no form there.
        is_told = segment.cut_from is not None or segment.segment_id in self._finals
        if name not in self._wanted or not segment.words or is_told:
            return None
        if segment.is_final:
            self._finals[segment.segment_id] = None
            if len(self._finals) > FINALS_MAX:
                self._finals.popitem(last=False)
        offset_s = track_started_at - self._began_at
        words = (
            SpokenWord(
                word.text, offset_s + word.start_samples / SAMPLE_RATE_HZ, offset_s + word.end_samples / SAMPLE_RATE_HZ
            )
            for word in segment.words
        )
        inside = recall_events.said(words, await self._who(segment), segment.language)
        return Message(name, inside, is_passing=not segment.is_final)

    async def _who(self, segment: Segment) -> MeetingParticipant:
        if segment.track not in self._tracks:
            tracks = await self._store.tracks_of(self._transcript_id)
            self._tracks = {track.id: participant_id_of(track) for track in tracks}
        id_ = self._tracks.get(segment.track)
        if id_ is None:  # of the whole room: whoever speaks
            id_ = next(reversed(self._speaking), None)
        if id_ is None:
            return MeetingParticipant(id=UNKNOWN_ID, name=None)
        return self._participants.get(id_) or MeetingParticipant(id=id_, name=segment.speaker)
