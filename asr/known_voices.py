"""The voices of one track as the server's process knows them, for the next worker that hears it. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from asr.speakers.contract import Embeddings
from asr.voice_prints import mean_of, packed_mean, prints_of, unit_rows
from asr.wire import HeardVoice, Spoke, VoicePrints

VOICES_MAX = 64  # numbers of one track; those of further ones may be given again
ENROLLED_MAX = 500  # 700 bytes each, in one message


@dataclass(slots=True, eq=False)
class _Known:
    """``sound``: the sum of the voice's embeddings, each times the samples that it is of."""

    sound: Embeddings
    heard_samples: int
    name: str | None


class KnownVoices:
    """``voices`` are those that were known before, by ``encoder``; prints of another encoder begin anew."""

    def __init__(self, voices: Sequence[HeardVoice] = (), encoder: str | None = None) -> None:
        self._encoder = encoder
        self._enrolled = [voice for voice in voices if voice.number is None][:ENROLLED_MAX]
        self._known: dict[int, _Known] = {}
        for voice in voices:
            self._put(voice)

    def _put(self, voice: HeardVoice) -> None:
        if voice.number is None or (voice.number not in self._known and len(self._known) >= VOICES_MAX):
            return
        weight = max(1, voice.heard_samples)
        with contextlib.suppress(ValueError):  # one that is damaged is told apart anew
            self._known[voice.number] = _Known(mean_of(voice.embedding) * weight, weight, voice.name)

    @property
    def encoder(self) -> str | None:
        return self._encoder

    def take(self, prints: VoicePrints) -> None:
        """Raises ``ValueError`` for what are no prints."""
        rows = prints_of(prints.embeddings, prints.dim)
        if len(rows) != len(prints.steps):
            raise ValueError("as many prints as steps are wanted")
        if prints.encoder != self._encoder:
            self._encoder, self._known, self._enrolled = prints.encoder, {}, []
        for (start_samples, end_samples, number), row in zip(prints.steps, rows, strict=True):
            known = self._known.get(number)
            if known is None:
                if len(self._known) >= VOICES_MAX:
                    continue
                known = self._known[number] = _Known(np.zeros_like(row), 0, None)
            known.sound += row * (end_samples - start_samples)
            known.heard_samples += end_samples - start_samples

    def called(self, spoke: Sequence[Spoke]) -> None:
        """Which of them were recognised as enrolled ones."""
        for one in spoke:
            if one.name is not None and one.voice in self._known:
                self._known[one.voice].name = one.name

    def found(self, voices: Sequence[HeardVoice], gone: Collection[int], encoder: str) -> bool:
        """What a later pass made of them; those in ``gone`` are nobody. False: it was of another encoder's."""
        if encoder != self._encoder:
            return False
        for number in gone:
            self._known.pop(number, None)
        for voice in voices:
            self._put(voice)
        return True

    def told(self) -> tuple[HeardVoice, ...]:
        """As the next worker is told them; enrolled ones that were recognised, by their numbers."""
        found = {known.name for known in self._known.values()}
        heard = (
            HeardVoice(
                number=number,
                embedding=packed_mean(unit_rows(known.sound[np.newaxis])[0]),
                heard_samples=known.heard_samples,
                name=known.name,
            )
            for number, known in sorted(self._known.items())
            if known.heard_samples > 0 and known.sound.any()
        )
        return (*heard, *(voice for voice in self._enrolled if voice.name not in found))
