"""The contract of an engine, and what a session asks of it. Adding an engine is one file in ``asr/engines/``.

There are two kinds. A *streaming* engine keeps a stream per utterance and advances it by what is new
(``StreamingEngine``). A *re-decoding* engine is one function from windows of sound to words
(``RedecodingEngine``); ``asr.commit`` makes a streaming engine of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from protocol.words import Hypothesis, Word

Samples = npt.NDArray[np.int16]


class SessionOptions(BaseModel):
    """What one session asks of the recogniser. ``lane`` orders work: live before file."""

    model_config = ConfigDict(frozen=True)

    language: str | None = None
    hotwords: tuple[str, ...] = ()
    interim: bool = True
    lane: str = "live"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine is. ``languages`` empty: any. ``model`` is the name from ``earshot models list``."""

    name: str
    model: str
    languages: tuple[str, ...]
    device: str = "cpu"
    note: str = ""


class Stream(Protocol):
    """An engine's state for one utterance; opaque to everybody else."""


@dataclass(frozen=True, slots=True)
class Step:
    """Advance ``stream`` by ``samples`` (16 kHz mono). ``start_samples``: index of the first of them in the track.

    ``flush``: the utterance ends with these samples, so the hypothesis must be all committed.
    """

    stream: Any
    samples: Samples
    start_samples: int
    flush: bool


@runtime_checkable
class StreamingEngine(Protocol):
    """Word times in hypotheses are samples since the track began. One thread calls all of it."""

    @property
    def info(self) -> EngineInfo: ...

    def open(self, options: SessionOptions) -> Any:
        """A stream for one utterance."""

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        """One batched step; one hypothesis per entry, of the whole utterance so far."""

    def close(self, stream: Any) -> None:
        """Forget the stream. Idempotent."""


@dataclass(frozen=True, slots=True)
class Window:
    """The sound a re-decoding engine hears at once (under 30 s), and the committed text before it."""

    samples: Samples
    start_samples: int
    options: SessionOptions
    before: str = ""
    final: bool = False


@runtime_checkable
class RedecodingEngine(Protocol):
    @property
    def info(self) -> EngineInfo: ...

    def transcribe(self, windows: Sequence[Window]) -> list[tuple[Word, ...]]:
        """The words of each window, times as samples since the track began."""
