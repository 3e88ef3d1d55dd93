"""Where parts of a meeting end: where their connection said, else where their sound or their pictures do.

A server that ended without a word said nothing, nor does a connection that is lost while a camera is on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from protocol.blocks import seconds
from protocol.errors import NotFound
from server.bots.meeting_tracks import name_of
from server.bots.video_parts import LAST_S
from server.hub import Hub
from server.store.meeting_part_store import MeetingPart, PartKind
from server.store.records import Track
from server.store.store import Store


class PartEnds:
    """Raises what the store raises."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub

    async def parts_of(self, transcript_id: str, began_at: float) -> list[MeetingPart]:
        """All that there are, in the order in which they began, each with its end. ``began_at``: when the recording
        did, in epoch seconds."""
        parts = await self._store.meeting_parts.of_transcript(transcript_id)
        if all(part.end_s is not None for part in parts):
            return parts
        tracks = {track.name: track for track in await self._store.tracks_of(transcript_id)}
        until: dict[str, float] = {}
        for part in parts:
            if part.end_s is not None:
                continue
            if part.kind != "audio":
                until[part.id] = await self._pictures_end_s(part)
            elif (track := tracks.get(name_of(part.participant_id))) is not None:
                until[part.id] = track.started_at - began_at + await self._length_s(track)
        return with_ends(parts, until)

    async def ended(self, part: MeetingPart, began_at: float) -> MeetingPart:
        """One, with its end. Raises ``NotFound`` where there is nothing of it."""
        if part.end_s is not None:
            return part
        for each in await self.parts_of(part.transcript_id, began_at):
            if each.id == part.id:
                return each
        raise NotFound("there is nothing of this part")

    async def _length_s(self, track: Track) -> float:
        with suppress(NotFound):
            await self._hub.sound.fetch(track)
            return seconds(await asyncio.to_thread(self._hub.recording(track).length_samples))
        return seconds(track.length_samples)

    async def _pictures_end_s(self, part: MeetingPart) -> float:
        last_ms = await self._hub.sound.pictures.last_ms(part)
        return part.start_s if last_ms is None else last_ms / 1000 + LAST_S


def with_ends(parts: Iterable[MeetingPart], until: dict[str, float]) -> list[MeetingPart]:
    """In the order in which they began. One without an end goes on until the next one of its kind, at most ``until``,
    by its id; there is none of which there is nothing."""
    found: list[MeetingPart] = []
    next_s: dict[tuple[PartKind, int], float] = {}
    for part in sorted(parts, key=lambda each: (each.start_s, each.id), reverse=True):
        of = part.kind, part.participant_id
        until_s = until.get(part.id, part.start_s)
        end_s = min(until_s, next_s.get(of, until_s)) if part.end_s is None else part.end_s
        if end_s > part.start_s or part.end_s is not None:
            found.append(replace(part, end_s=end_s))
        next_s[of] = part.start_s
    return found[::-1]
