"""Transcripts as documents, for the doors that give them: the words gathered in pieces, laid out off the event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.exports import ExportFormat, as_speeches, export
from server.segment_pages import segment_pages
from server.services import Services
from server.speaker_figures import figures_of, speakers_data
from server.store.records import Transcript

PIECE_CHARS = 64 * 1024


class TranscriptFormat(StrEnum):
    """The names of all systems that we answer to."""

    TXT = "txt"
    TEXT = "text"
    TIMESTAMPED = "text-timestamped"
    SRT = "srt"
    VTT = "vtt"
    WEBVTT = "webvtt"
    WEBVTT_NAMED = "webvtt-named"
    JSON = "json"

    @property
    def form(self) -> ExportFormat:
        return _FORMS[self]


_FORMS = {
    TranscriptFormat.TXT: ExportFormat.TXT,
    TranscriptFormat.TEXT: ExportFormat.TXT,
    TranscriptFormat.TIMESTAMPED: ExportFormat.TIMESTAMPED,
    TranscriptFormat.SRT: ExportFormat.SRT,
    TranscriptFormat.VTT: ExportFormat.VTT,
    TranscriptFormat.WEBVTT: ExportFormat.VTT,
    TranscriptFormat.WEBVTT_NAMED: ExportFormat.VTT,
    TranscriptFormat.JSON: ExportFormat.JSON,
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """The final segments of a transcript, and when each of its tracks began: several become one conversation."""

    transcript: Transcript
    segments: list[Segment]
    offsets: dict[str, int]

    async def document(self, form: ExportFormat) -> bytes:
        return await asyncio.to_thread(self.laid_out, form)

    async def embedded(self, wanted: TranscriptFormat) -> bytes:
        """As the value of a field in JSON: a list of who said what, or a document's text."""
        return await asyncio.to_thread(self._embedded, wanted)

    def laid_out(self, form: ExportFormat) -> bytes:
        """Blocks: hours of speech take more than a few milliseconds."""
        return self._text(form).encode("utf-8", "replace")

    def _text(self, form: ExportFormat) -> str:
        return export(
            self.segments,
            form,
            name=self.transcript.shown_title,
            duration_samples=self.transcript.duration_samples,
            track_offsets=self.offsets,
            speakers=self._figures() if form is ExportFormat.JSON else (),
        )

    def _figures(self) -> list[dict[str, Any]]:
        return speakers_data(figures_of(self.segments, self.offsets))

    def _embedded(self, wanted: TranscriptFormat) -> bytes:
        if wanted is TranscriptFormat.JSON:
            items = as_speeches(self.segments, self.offsets)
            return b"[" + b",".join(json_bytes(each) for each in items) + b"]"
        # In pieces: one call for hours of speech would let no other thread run meanwhile.
        return b'"' + b"".join(json_bytes(piece)[1:-1] for piece in _pieces(self._text(wanted.form))) + b'"'


async def conversation_of(
    services: Services, transcript: Transcript, *, segments_max: int | None = None
) -> Conversation:
    tracks = await services.store.tracks_of(transcript.id)
    began_at = min((track.started_at for track in tracks), default=0.0)
    offsets = {track.id: round((track.started_at - began_at) * SAMPLE_RATE_HZ) for track in tracks}
    pages = segment_pages(services.store, transcript.id, limit=segments_max)
    return Conversation(transcript, [stored.segment async for page in pages for stored in page], offsets)


def json_bytes(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _pieces(text: str) -> Iterator[str]:
    for at in range(0, len(text), PIECE_CHARS):
        yield text[at : at + PIECE_CHARS]
