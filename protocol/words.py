"""Words and segments: what was said, when, and how sure the recogniser is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

# Of the texts that are parsed, names of fields come again; ids do not: they would fill the parser's cache for nothing.
PARSED = ConfigDict(cache_strings="keys")


class Word(BaseModel):
    """One word. Times are samples at 16 kHz since the track began; ``confidence`` is 0..1."""

    model_config = ConfigDict(frozen=True)

    text: str
    start_samples: int
    end_samples: int
    confidence: float = 1.0


class Hypothesis(BaseModel):
    """What an engine says of one utterance now: ``committed`` words will not change, ``tentative`` ones may.

    ``tags``: of each word by which of the utterance's speakers it is, where the engine tells them apart, or all empty;
    in the next utterance the same tag may be another's.
    """

    model_config = ConfigDict(frozen=True)

    committed: tuple[Word, ...] = ()
    tentative: tuple[Word, ...] = ()
    language: str | None = None
    tags: tuple[int, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        return self.committed + self.tentative


class Segment(BaseModel):
    """What a reader sees of one stretch of speech; interim until final, one id for its whole life.

    ``revision`` counts the versions told under this id, from 1. A final's text never changes except by a later
    revision that an event announces. One without text takes the segment back: there was no speech after all, or, of
    a final, what was said was deleted.

    ``speaker`` is who readers are told it is; ``speaker_label`` what that voice was called before somebody named it,
    by which it is named, merged and assigned (None: the same).

    ``voice``: which of the voices that its track mixes it is, a number from 0 (None: they are not told apart there),
    and ``speaker_confidence`` how sure that is, 0..1. ``speaker_set``: a person said whose it is, and nothing else may.
    ``of_one``: the recogniser itself told that all its words are of one speaker, so that no pass cuts it.
    ``taken_from``: the voice that it was told as, where a person gave it to somebody new on the track, so that the two
    are kept apart.
    ``cut_from``: of what was cut off where another speaks, the id of the segment whose words these were; ``cut_gap`` is
    the space that stood before them there.
    ``overlap``: where two speak at once in it, as ``(start_samples, end_samples)``, in order.
    """

    model_config = ConfigDict(frozen=True, **PARSED)

    segment_id: str
    track: str
    text: str
    start_samples: int
    end_samples: int
    is_final: bool
    revision: int = 1
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    speaker_label: str | None = None
    voice: int | None = None
    speaker_confidence: float | None = None
    speaker_set: bool = False
    of_one: bool = False
    taken_from: int | None = None
    cut_from: str | None = None
    cut_gap: str = ""
    overlap: tuple[tuple[int, int], ...] = ()
    language: str | None = None
    confidence: float = Field(default=1.0, ge=0.0, le=1.0)

    @property
    def label(self) -> str | None:
        return self.speaker if self.speaker_label is None else self.speaker_label

    def overlapped(self, spans: Iterable[tuple[int, int]]) -> Self:
        """With what of ``spans`` is in it as where two speak at once."""
        start, end = self.start_samples, self.end_samples
        inside = tuple((max(a, start), min(b, end)) for a, b in spans if a < end and b > start)
        return self.model_copy(update={"overlap": inside})

    def said_by(self, label: str | None, name: str | None) -> Self:
        """The same words of the voice ``label``, shown as ``name``."""
        return self.model_copy(update={"speaker": name, "speaker_label": None if label == name else label})
