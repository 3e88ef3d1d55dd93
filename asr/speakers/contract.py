"""What telling voices apart works with: an encoder of voices, steps of speech, and who spoke in each.

    voiced spans --windows--> SpeechWindow + sound --encoder.embed--> (n, dim) --online--> LabelledStep, live
                                                       all of them --offline--> LabelledStep, better, later
    LabelledStep + words --turns--> Turn

Speech is cut into steps; a window of sound around each is embedded, and the step is labelled. Speakers are whole
numbers from 0, in the order in which they were first heard; a number never changes its voice. All times are samples at
16 kHz since the track began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from protocol.words import Word

Embeddings = npt.NDArray[np.float32]  # (n, dim), each of unit length

SPEAKERS_MAX = 20  # of one recording; the next voice is given to the speaker it is most like


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What an encoder is, and the numbers that hold for it alone: similarities of one do not compare to another's.

    ``step_samples``: speech is cut into steps of at most so much; ``window_samples``: of the sound around each that
    ``embed`` is given. ``cut``: groups whose voices are less alike than this (mean cosine) stay apart in the last pass,
    as do those less alike than the share ``own`` of how much each is like itself.
    ``new_speaker``: live, a voice less alike than this to all that are known is somebody new. ``known``: an enrolled
    voice is recognised in a speaker that is at least so much like it. ``batch_windows``: so many at once are one
    step of the loop, by whose length a word may be later; a final may be later by two of them.
    """

    name: str
    dim: int
    window_samples: int
    step_samples: int
    cut: float
    own: float
    new_speaker: float
    known: float
    batch_windows: int = 8


class SpeakerEncoder(Protocol):
    """One call at a time, of any thread. Rows do not depend on each other."""

    @property
    def info(self) -> EncoderInfo: ...

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        """One row of unit length per window: mono s16 at 16 kHz, ``window_samples`` or less (at least one sample).

        Louder or quieter is another voice to some encoders: ``windows.Levels`` makes the levels comparable first.
        Raises ``EngineFailed``.
        """


@dataclass(frozen=True, slots=True)
class SpeechWindow:
    """One step of speech, and the window of sound by which its voice is told."""

    start_samples: int
    end_samples: int
    heard_from_samples: int
    heard_to_samples: int


@dataclass(frozen=True, slots=True)
class LabelledStep:
    """Who spoke in one step, and how sure that is (0..1, not a calibrated probability)."""

    start_samples: int
    end_samples: int
    speaker: int
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class KnownVoice:
    """A voice enrolled by its name. ``embedding``: (dim,), of unit length, by the same encoder."""

    name: str
    embedding: Embeddings


@dataclass(frozen=True, slots=True)
class SpeakerOptions:
    """What a host knows. ``expected``: so many speakers there are; ``most``: so many there are at most (1..20)."""

    expected: int | None = None
    most: int = SPEAKERS_MAX
    known: tuple[KnownVoice, ...] = field(default=())

    @property
    def limit(self) -> int:
        return max(1, min(self.most, SPEAKERS_MAX, self.expected or SPEAKERS_MAX))


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A speaker as heard so far. ``name``: of the known voice that it was recognised as."""

    speaker: int
    name: str | None
    embedding: Embeddings
    heard_samples: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Words in a row by one speaker (None: nobody knows), and how sure that is. ``of_one``: they have one tag."""

    speaker: int | None
    confidence: float
    words: tuple[Word, ...]
    of_one: bool = False
