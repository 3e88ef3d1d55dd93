"""The voice prints of one track that is heard: kept in the store, and told to a recogniser that begins anew."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Self

import structlog

from asr.known_voices import KnownVoices
from asr.voice_prints import mean_of, packed_mean
from asr.wire import HeardVoice, VoicePrints
from protocol.errors import EarshotError
from server.store.enrolled_store import EnrolledVoice
from server.store.records import Track
from server.store.store import Store
from server.store.voice_store import Step, StoredPrints

log = structlog.get_logger(__name__)

KEEP_DEADLINE_S = 3.0  # words wait no longer for their prints


class TrackPrints:
    """``known``: whose voices they are, which whoever hears the track keeps up to date. ``heard_samples``: so much
    speech there are prints of; ``ungrouped_samples``: of that, since the last pass.
    ``hurries``: the next pass is wanted as soon as there are any.
    """

    def __init__(self, store: Store, track: Track) -> None:
        self._store = store
        self._track = track
        self.known = KnownVoices()
        self.heard_samples = self.ungrouped_samples = 0
        self.hurries = False

    @classmethod
    async def load(cls, store: Store, track: Track, *, encoder: str | None = None, of_nobody: bool = False) -> Self:
        """With what was kept of the track before, and the voices that may be recognised on it (as
        ``EnrolledStore.known_in``), by ``encoder`` where nothing was kept."""
        prints = cls(store, track)
        # Hours of them take a second or two.
        await asyncio.to_thread(prints._learn, await store.voices.prints_of(track.id))
        if enrolled := await store.voices.enrolled.known_in(track.transcript_id, of_nobody=of_nobody):
            prints._enrol(enrolled, await _recognised(store, track), encoder)
        return prints

    async def keep(self, prints: VoicePrints) -> None:
        """Never raises: without its prints a final is told all the same, and no pass comes to know of its voices."""
        if not prints.steps:
            return
        self._count(prints.steps)
        try:
            stored = StoredPrints(self._track.id, prints.encoder, prints.dim, prints.steps, prints.embeddings)
            async with asyncio.timeout(KEEP_DEADLINE_S):
                await self._store.voices.keep(self._track.transcript_id, stored)
        except (EarshotError, TimeoutError) as error:
            log.warning("voice prints not kept", track=self._track.id, error=type(error).__name__)

    def grouped(self) -> None:
        """A pass had all of it."""
        self.ungrouped_samples = 0
        self.hurries = False

    def _learn(self, kept: Sequence[StoredPrints]) -> None:
        for stored in kept:
            try:
                self.known.take(as_told(stored))
                self._count(stored.steps)
            except ValueError:
                log.error("voice prints not understood", track=self._track.id, start_samples=stored.start_samples)

    def _count(self, steps: Sequence[Step]) -> None:
        length_samples = sum(end - start for start, end, _ in steps)
        self.heard_samples += length_samples
        if steps[-1][1] > self._track.grouped_samples:
            self.ungrouped_samples += length_samples

    def _enrol(self, enrolled: Sequence[EnrolledVoice], recognised: Mapping[int, str], encoder: str | None) -> None:
        """``recognised``: by number. The recogniser knows voices by the ids of theirs: it need not know names."""
        encoder = self.known.encoder or encoder or enrolled[-1].encoder
        heard = [
            voice if voice.number is None else voice.model_copy(update={"name": recognised.get(voice.number)})
            for voice in self.known.told()
        ]
        wanted = [
            HeardVoice(number=None, embedding=packed_mean(mean_of(each.embedding)), name=each.id)
            for each in enrolled
            if each.encoder == encoder
        ]
        self.known = KnownVoices((*heard, *wanted), encoder)


async def _recognised(store: Store, track: Track) -> dict[int, str]:
    """Which of the track's voices were recognised as which, also where people call them otherwise; of several that
    people made one the first."""
    by_label = await store.voices.enrolled.recognised_in(track.transcript_id)
    labels = await store.voices.labels_of(track.transcript_id)
    mine = {0: track.speaker, **{number: label for (of, number), label in labels.items() if of == track.id}}
    found: dict[str, int] = {}
    for number, label in sorted(mine.items()):
        if label in by_label:
            found.setdefault(by_label[label], number)
    return {number: voice_id for voice_id, number in found.items()}


def as_told(stored: StoredPrints) -> VoicePrints:
    coded = base64.b64encode(stored.embeddings)  # as the wire has it; what is read of it are the bytes
    named = {"session_id": "", "generation": 0, "encoder": stored.encoder, "dim": stored.dim}
    return VoicePrints.model_validate({**named, "steps": stored.steps, "embeddings": coded})
