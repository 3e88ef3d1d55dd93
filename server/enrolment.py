"""A voice enrolled: by what was heard of one speaker of a transcript, so that it is recognised later.

What is kept is the mean of the speaker's voice prints. It is taken from whatever is told under the label now, on all
tracks where voices are told apart, so that what people set right counts.
"""

from __future__ import annotations

import asyncio
import base64
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.client import AsrClient
from asr.speakers.contract import Embeddings
from asr.voice_prints import packed_mean, prints_of, unit_rows
from protocol.blocks import SAMPLE_RATE_HZ, seconds
from protocol.errors import Conflict, NotFound
from server.journal import Journal
from server.recognition import of_nobody
from server.segment_pages import segment_pages
from server.settings import Settings
from server.store.enrolled_store import EnrolledVoice
from server.store.store import Store
from server.store.voice_store import StoredPrints

LEAST_S = 10.0  # of speech: the mean of less says too little

Span = tuple[int, int]  # start and end samples


@dataclass(frozen=True, slots=True, eq=False)
class Mean:
    """(dim,), of unit length; of so much speech."""

    embedding: Embeddings
    heard_samples: int


class Enrolment:
    def __init__(self, settings: Settings, store: Store, journal: Journal, asr: AsrClient) -> None:
        self._of_nobody = of_nobody(settings)
        self._store = store
        self._journal = journal
        self._asr = asr

    async def enrol(
        self, transcript_id: str, speaker: str, *, name: str, project_id: str | None = None
    ) -> EnrolledVoice:
        """The voice with the label ``speaker`` is recognised under ``name`` from now on, in new recordings of the
        transcript's owner that are of no project, or in those of ``project_id``.

        Raises ``NotFound`` for a transcript or speaker that is not there; ``Conflict`` where too little was heard, no
        voices are told apart, they were by another encoder than is here now, nobody owns the transcript, the project is
        another owner's, or there are as many as may be.
        """
        transcript = await self._store.get_transcript(transcript_id)
        if transcript.owner is None and not self._of_nobody:
            raise Conflict("nobody owns this transcript: the voices of one's own alone can be enrolled")
        if project_id is not None and (await self._store.projects.get(project_id)).owner != transcript.owner:
            raise Conflict("the transcript and the project are not of one owner")
        await self._journal.flushed()
        said = await self._said_by(transcript_id, speaker)
        prints = await self._prints(transcript_id)
        encoder = prints[-1].encoder
        here = self._asr.status.encoder
        if here is not None and here != encoder:
            raise Conflict(
                f"these voices were told apart by the encoder {encoder}, and {here} is here now, to which they do not"
                " compare: enrol from a newer recording",
                details={"encoder": encoder, "encoder_here": here},
            )
        mean = await asyncio.to_thread(mean_of_speaker, [each for each in prints if each.encoder == encoder], said)
        heard_samples = 0 if mean is None else mean.heard_samples
        if mean is None or heard_samples < LEAST_S * SAMPLE_RATE_HZ:
            raise Conflict(
                f"too little is heard of this voice alone: {seconds(heard_samples):.1f} s, and {LEAST_S:.0f} s are"
                " needed",
                details={"heard_s": round(seconds(heard_samples), 1), "needed_s": LEAST_S},
            )
        return await self._store.voices.enrolled.create(
            owner=transcript.owner,
            project_id=project_id,
            name=name,
            encoder=encoder,
            dim=len(mean.embedding),
            embedding=base64.b64decode(packed_mean(mean.embedding)),
            heard_samples=heard_samples,
            transcript_id=transcript_id,
        )

    async def _said_by(self, transcript_id: str, speaker: str) -> dict[str, list[Span]]:
        """By track, in order."""
        found: dict[str, list[Span]] = {}
        known: set[str] = set()
        async for page in segment_pages(self._store, transcript_id):
            for segment in (stored.segment for stored in page):
                if segment.label is not None:
                    known.add(segment.label)
                if segment.label == speaker:
                    found.setdefault(segment.track, []).append((segment.start_samples, segment.end_samples))
        if speaker not in known:
            raise NotFound("Speaker not found", details={"speaker": speaker, "known": sorted(known)[:50]})
        return {track: sorted(spans) for track, spans in found.items()}

    async def _prints(self, transcript_id: str) -> list[StoredPrints]:
        """Of all its tracks, the newest track's last. At least one."""
        prints: list[StoredPrints] = []
        for track in await self._store.tracks_of(transcript_id):
            prints += await self._store.voices.prints_of(track.id)
        if not prints:
            raise Conflict("no voices were told apart in this, or what they were known by is gone")
        return prints


def mean_of_speaker(prints: Sequence[StoredPrints], said: dict[str, list[Span]]) -> Mean | None:
    """Of the steps in the middle of which somebody speaks: ``said``, by track, in order. None: of none."""
    total: Embeddings | None = None
    heard_samples = 0
    for each in prints:
        spans = said.get(each.track_id, [])
        rows = prints_of(each.embeddings, each.dim)
        for (start_samples, end_samples, _), row in zip(each.steps, rows, strict=True):
            if _holds(spans, (start_samples + end_samples) // 2):
                length_samples = end_samples - start_samples
                weighed = row * np.float32(length_samples)
                total = weighed if total is None else total + weighed
                heard_samples += length_samples
    if total is None or not total.any():
        return None
    return Mean(unit_rows(total[np.newaxis])[0], heard_samples)


def _holds(spans: Sequence[Span], samples: int) -> bool:
    at = bisect_right(spans, samples, key=lambda span: span[0]) - 1
    return at >= 0 and samples < spans[at][1]
