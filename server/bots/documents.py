"""The documents of a meeting that a bot attended, made of its journal and its words whenever somebody asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from protocol.blocks import seconds
from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant
from protocol.wire import recall_documents
from protocol.wire.recall_documents import SeparatePart, Spoken, SpokenWord
from server.bots.bot_stream import MIXED, acted_of
from server.bots.timeline import UNKNOWN_ID, participants_of, said_by, speaking_times
from server.segment_pages import segment_pages
from server.store.bot_store import Bot
from server.store.meeting_part_store import MeetingPart, PartKind
from server.store.records import StoredSegment, Track
from server.store.store import Store

Address = Callable[[MeetingPart], str]  # where a part is to be had


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

    @classmethod
    async def read(cls, store: Store, transcript_id: str, began_at: float) -> MeetingRecord:
        """``began_at``: when the recording began, in epoch seconds. Raises what the store raises."""
        acted = recall_documents.in_order(await acted_of(store, transcript_id))
        tracks = {track.id: track for track in await store.tracks_of(transcript_id)}
        names = {each.speaker: each.name for each in await store.participants_of(transcript_id)}
        heard = {
            track.id: MeetingParticipant(id=id_, name=names.get(track.speaker))
            for track in tracks.values()
            if (id_ := participant_id_of(track)) is not None
        }
        everybody = participants_of([each for _, each in acted], heard.values())
        who = {track_id: everybody[each.id] for track_id, each in heard.items()}
        said: list[tuple[Track, StoredSegment]] = []
        async for page in segment_pages(store, transcript_id):
            said += [(tracks[each.segment.track], each) for each in page if each.segment.text]
        own = [_spoken(stored, who[track.id], began_at) for track, stored in said if track.id in who]
        end_s = max(
            (track.started_at - began_at + seconds(track.length_samples) for track in tracks.values()), default=0
        )
        only = [each for _, each in acted]
        timeline = speaking_times(only, own, everybody, end_s=end_s)
        mixed = [_of_room(stored, timeline, began_at) for track, stored in said if track.name == MIXED]
        spoken = sorted([*own, *mixed], key=lambda each: each.start_s)
        if mixed:
            for each in mixed:
                everybody.setdefault(each.participant.id, each.participant)
            timeline = speaking_times(only, spoken, everybody, end_s=end_s)
        parts = with_ends(await store.meeting_parts.of_transcript(transcript_id), end_s)
        for part in parts:
            everybody.setdefault(part.participant_id, MeetingParticipant(id=part.participant_id))
        return cls(transcript_id, began_at, acted, everybody, timeline, spoken, parts)

    def participants_document(self) -> list[dict[str, Any]]:
        return recall_documents.participants(self.participants.values())

    def participant_events_document(self) -> list[dict[str, Any]]:
        return recall_documents.participant_events(self.transcript_id, self.acted, self.began_at)

    def speaker_timeline_document(self) -> list[dict[str, Any]]:
        return recall_documents.speaker_timeline(self.timeline, self.began_at)

    def transcript_document(self) -> list[dict[str, Any]]:
        return recall_documents.transcript(self.spoken)

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


def with_ends(parts: Iterable[MeetingPart], end_s: float) -> list[MeetingPart]:
    """In the order in which they began. Where the server ended without a word, a part goes on until the next one of
    its kind, at most until ``end_s``, the end of the recording."""
    found: list[MeetingPart] = []
    next_s: dict[tuple[PartKind, int], float] = {}
    for part in sorted(parts, key=lambda each: (each.start_s, each.id), reverse=True):
        of = part.kind, part.participant_id
        last_s = max(part.start_s, min(end_s, next_s.get(of, end_s)))
        found.append(replace(part, end_s=last_s) if part.end_s is None else part)
        next_s[of] = part.start_s
    return found[::-1]


def participant_id_of(track: Track) -> int | None:
    """Whose it is; None for the sound of a whole room."""
    found = re.fullmatch(r"participant-(\d+)", track.name)
    return None if found is None else int(found[1])


def _spoken(stored: StoredSegment, who: MeetingParticipant, began_at: float) -> Spoken:
    offset_s = stored.track_started_at - began_at
    segment = stored.segment
    words = tuple(
        SpokenWord(word.text, offset_s + seconds(word.start_samples), offset_s + seconds(word.end_samples))
        for word in segment.words
    )
    return Spoken(who, offset_s + seconds(segment.start_samples), offset_s + seconds(segment.end_samples), words)


def _of_room(stored: StoredSegment, timeline: Sequence[Spoken], began_at: float) -> Spoken:
    unknown = MeetingParticipant(id=UNKNOWN_ID, name=stored.segment.speaker)
    spoken = _spoken(stored, unknown, began_at)
    who = said_by(spoken.start_s, spoken.end_s, timeline)
    return spoken if who is None else Spoken(who, spoken.start_s, spoken.end_s, spoken.words)
