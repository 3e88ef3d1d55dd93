"""The documents of a meeting that a bot attended, made of its journal and its words whenever somebody asks."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from protocol.blocks import seconds
from protocol.events import ParticipantActed, StatusChanged, Transcribed
from protocol.participants import MeetingParticipant
from protocol.wire import recall_documents
from protocol.wire.recall_documents import Provided, SeparatePart, Spoken, SpokenWord
from server.bots.journal_pages import journal_of
from server.bots.meeting_tracks import is_of_room, is_told, participant_id_of
from server.bots.timeline import UNKNOWN_ID, participants_of, said_by, speaking_times
from server.segment_pages import segment_pages
from server.store.bot_store import Bot
from server.store.meeting_part_store import MeetingPart, PartKind
from server.store.provider_part_store import ProviderPart
from server.store.records import StoredSegment, Track
from server.store.store import Store

OF_BOT = "earshot:bot"  # where what other recognisers sent came from: by the bot's socket
UUID_OF_SEGMENTS = uuid.UUID("2b0e1f0e-6a4b-5d0a-9c63-6f1c1f6f3a11")
Address = Callable[[MeetingPart], str]  # where a part is to be had
Document = Literal[
    "participants",
    "participant_events",
    "speaker_timeline",
    "transcript",
    "provider_data",
    "audio_separate",
    "video_separate",
]
OF_WORDS: frozenset[Document] = frozenset({"speaker_timeline", "transcript", "provider_data"})
OF_PARTS: frozenset[Document] = frozenset({"participants", "speaker_timeline", "audio_separate", "video_separate"})


@dataclass(frozen=True, slots=True)
class _Told:
    """What the journal tells of a meeting: what was done, in order of time; when each segment became final, by its id,
    for names may change later; and by which recogniser."""

    acted: Sequence[tuple[int, ParticipantActed]]
    final_at: dict[str, float]
    engine: str

    @classmethod
    async def read(cls, store: Store, transcript_id: str) -> _Told:
        acted, final_at, engine = list[tuple[int, ParticipantActed]](), dict[str, float](), ""
        async for event in journal_of(store, transcript_id):
            match event.body:
                case ParticipantActed():
                    acted.append((event.seq, event.body))
                case Transcribed():
                    final_at.setdefault(event.body.segment.segment_id, event.at)
                case StatusChanged():
                    engine = event.body.engine or engine
        return cls(recall_documents.in_order(acted), final_at, engine)

    def recognised(self, stored: StoredSegment, who: MeetingParticipant | None, began_at: float) -> Provided:
        """By ours."""
        segment = stored.segment
        offset_s = stored.track_started_at - began_at + seconds(segment.start_samples)
        payload = {
            "text": segment.text,
            "language": segment.language,
            "confidence": round(segment.confidence, 3),
            "duration": round(seconds(segment.end_samples - segment.start_samples), 3),
            "words": [
                {
                    "text": word.text,
                    "start": round(seconds(word.start_samples - segment.start_samples), 3),
                    "end": round(seconds(word.end_samples - segment.start_samples), 3),
                    "confidence": round(word.confidence, 3),
                }
                for word in segment.words
            ],
        }
        at = self.final_at.get(segment.segment_id, began_at)
        id_ = str(uuid.uuid5(UUID_OF_SEGMENTS, segment.segment_id))
        return Provided(id_, at, who, offset_s, f"earshot:{self.engine}", "transcription", payload)


@dataclass(frozen=True, slots=True)
class MeetingRecord:
    """A meeting as it is known: what was done, in order of time; who took part; who spoke when; and what they said."""

    transcript_id: str
    began_at: float
    acted: Sequence[tuple[int, ParticipantActed]]
    participants: dict[int, MeetingParticipant]
    timeline: Sequence[Spoken]
    spoken: Sequence[Spoken]
    parts: Sequence[MeetingPart]  # each with its end
    provided: Sequence[Provided]

    @classmethod
    async def read(
        cls,
        store: Store,
        transcript_id: str,
        began_at: float,
        parts: Sequence[MeetingPart] = (),
        documents: Collection[Document] = get_args(Document),
    ) -> MeetingRecord:
        """``began_at``: when the recording began, in epoch seconds; ``parts``: what there is, each with its end, which
        documents ``OF_PARTS`` need. Of words and what recognisers said no more is read than ``documents`` tell. Raises
        what the store raises."""
        told = await _Told.read(store, transcript_id)
        tracks = {track.id: track for track in await store.tracks_of(transcript_id)}
        names = {each.speaker: each.name for each in await store.participants_of(transcript_id)}
        heard = {
            track.id: MeetingParticipant(id=id_, name=names.get(track.speaker))
            for track in tracks.values()
            if (id_ := participant_id_of(track)) is not None
        }
        only = [each for _, each in told.acted]
        newest = await store.meeting_participants.of_transcript(transcript_id)
        everybody = participants_of(only, heard.values(), newest)
        who = {track_id: everybody[each.id] for track_id, each in heard.items()}
        said: list[tuple[Track, StoredSegment]] = []
        # In the sound of a whole room there may be words of somebody of whom nothing else tells.
        if not OF_WORDS.isdisjoint(documents) or any(map(is_of_room, tracks.values())):
            async for page in segment_pages(store, transcript_id):
                said += [(tracks[each.segment.track], each) for each in page]
        own = [_spoken(stored, who[track.id], began_at) for track, stored in said if track.id in who]
        end_s = max(
            *(track.started_at - began_at + seconds(track.length_samples) for track in tracks.values()),
            *(stored.track_started_at - began_at + seconds(stored.segment.end_samples) for _, stored in said),
            *(each.relative_s for each in only[-1:]),
            *(part.end_s or part.start_s for part in parts),
            0.0,
            0.0,
        )
        timeline = speaking_times(only, own, everybody, end_s=end_s)
        mixed = [_of_room(stored, timeline, began_at) for track, stored in said if is_of_room(track)]
        spoken = sorted([*own, *mixed], key=lambda each: each.start_s)
        if mixed:
            for each in mixed:
                everybody.setdefault(each.participant.id, each.participant)
            timeline = speaking_times(only, spoken, everybody, end_s=end_s)
        for part in parts:
            everybody.setdefault(part.participant_id, MeetingParticipant(id=part.participant_id))
        provided = list[Provided]()
        if "provider_data" in documents:
            ours = [(stored, who.get(track.id)) for track, stored in said if not is_told(track)]
            provided = [told.recognised(stored, speaker, began_at) for stored, speaker in ours]
            provided += [_sent(part, everybody) for part in await store.provider_parts.of_transcript(transcript_id)]
            provided.sort(key=lambda part: (part.created_at, part.id))
        return cls(transcript_id, began_at, told.acted, everybody, timeline, spoken, parts, provided)

    def participants_document(self) -> list[dict[str, Any]]:
        return recall_documents.participants(self.participants.values())

    def participant_events_document(self) -> list[dict[str, Any]]:
        return recall_documents.participant_events(self.transcript_id, self.acted, self.began_at)

    def speaker_timeline_document(self) -> list[dict[str, Any]]:
        return recall_documents.speaker_timeline(self.timeline, self.began_at)

    def transcript_document(self) -> list[dict[str, Any]]:
        return recall_documents.transcript(self.spoken)

    def provider_data_document(self) -> dict[str, Any]:
        return recall_documents.provider_data(self.provided)

    def audio_separate_document(self, address: Address) -> list[dict[str, Any]]:
        return self._separate(("audio",), address)

    def video_separate_document(self, address: Address) -> list[dict[str, Any]]:
        return self._separate(("webcam", "screenshare"), address)

    def _separate(self, kinds: tuple[PartKind, ...], address: Address) -> list[dict[str, Any]]:
        return recall_documents.separate_parts(
            (
                SeparatePart(
                    part.id,
                    self.participants[part.participant_id],
                    part.start_s,
                    part.start_s if part.end_s is None else part.end_s,
                    address(part),
                    None if part.kind == "audio" else part.kind,
                )
                for part in self.parts
                if part.kind in kinds
            ),
            self.began_at,
        )


def began_at_of(bot: Bot) -> float:
    """When its recording began, in epoch seconds; nothing of one that never did has a time."""
    return bot.created_at if bot.began is None else bot.began.at


def _spoken(stored: StoredSegment, who: MeetingParticipant, began_at: float) -> Spoken:
    offset_s = stored.track_started_at - began_at
    segment = stored.segment
    words = tuple(
        SpokenWord(word.text, offset_s + seconds(word.start_samples), offset_s + seconds(word.end_samples))
        for word in segment.words
    )
    return Spoken(who, offset_s + seconds(segment.start_samples), offset_s + seconds(segment.end_samples), words)


def _sent(part: ProviderPart, everybody: dict[int, MeetingParticipant]) -> Provided:
    """By another recogniser."""
    who = None if part.participant is None else everybody.get(part.participant.id, part.participant)
    payload = json.loads(part.payload)
    return Provided(part.id, part.created_at, who, part.offset_s, OF_BOT, part.event, payload)


def _of_room(stored: StoredSegment, timeline: Sequence[Spoken], began_at: float) -> Spoken:
    unknown = MeetingParticipant(id=UNKNOWN_ID, name=stored.segment.speaker)
    spoken = _spoken(stored, unknown, began_at)
    who = said_by(spoken.start_s, spoken.end_s, timeline)
    return spoken if who is None else Spoken(who, spoken.start_s, spoken.end_s, spoken.words)
