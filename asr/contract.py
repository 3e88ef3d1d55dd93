"""The contract of an engine, and what a session asks of it. Adding an engine is one file in ``asr/engines/``.

There are two kinds. A *streaming* engine keeps a stream per utterance and advances it by what is new
(``StreamingEngine``); one that does so on another machine lets nobody wait for the network (``RemoteEngine``). A
*re-decoding* engine hears windows of sound anew each time (``RedecodingEngine``);
``asr.commit`` makes a streaming engine of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from protocol.errors import EngineFailed
from protocol.words import Hypothesis, Word

Samples = npt.NDArray[np.int16]


class SessionOptions(BaseModel):
    """What one session asks of the recogniser. ``lane`` orders work: live before file.

    ``heard_language``: found in the session's utterances so far; an utterance too short to tell is heard in it.
    ``utterance_silence_ms``: the silence that ends an utterance; None: that of the worker's settings.
    ``diarize``: its voices are to be told apart, of which there are ``speakers_expected``, or ``max_speakers`` at most.
    """

    model_config = ConfigDict(frozen=True)

    language: str | None = None
    hotwords: tuple[str, ...] = ()
    interim: bool = True
    lane: str = "live"
    heard_language: str | None = None
    utterance_silence_ms: int | None = None
    diarize: bool = False
    speakers_expected: int | None = None
    max_speakers: int | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine is. ``languages`` empty: any. ``model`` is the name from ``earshot models list``.

    ``streaming``: it advances a stream by what is new, so that an interim costs no more than the new sound.
    ``workers_max``: how many processes of it this machine is good for, one per core or per device. ``utterance_max_s``:
    longer utterances are cut, because hearing one as a whole would keep all others waiting.
    """

    name: str
    model: str
    languages: tuple[str, ...]
    device: str = "cpu"
    note: str = ""
    streaming: bool = True
    workers_max: int = 1
    utterance_max_s: float = 28.0


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

    @property
    def batch_max(self) -> int:
        """Entries that one step takes now; it may shrink, when memory does."""

    @property
    def guard_hits(self) -> Mapping[str, int]:
        """How often each guard against invented text struck since the start, by its name."""

    def open(self, options: SessionOptions) -> Any:
        """A stream for one utterance."""

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        """One batched step; one hypothesis per entry, of the whole utterance so far.

        The words of an entry do not depend on the other entries.
        """

    def close(self, stream: Any) -> None:
        """Forget the stream. Idempotent."""


@runtime_checkable
class RemoteEngine(StreamingEngine, Protocol):
    """Hears on another machine. ``step`` only sends, and returns what came back by now; the rest comes when it comes.

    While the other machine is away, streams wait for it: what was said meanwhile is heard later.
    """

    @property
    def away(self) -> str:
        """Why the other machine hears nothing now; empty while it does."""

    def news(self, stream: Any) -> Hypothesis | None:
        """What came back since the last ``step`` or ``news`` of a stream, if anything did."""

    def final(self, stream: Any) -> Hypothesis | EngineFailed | None:
        """The words of a stream that was flushed, all committed, or why there will be none; None: not there yet."""

    def shut_down(self) -> None:
        """Close all streams and the connection. Idempotent."""


@dataclass(frozen=True, slots=True)
class Window:
    """The sound a re-decoding engine hears at once (under 30 s), and the committed text before it.

    ``state``: what the engine keeps of this utterance, from its ``begin``. ``final``: the whole of an utterance that
    ended.
    """

    samples: Samples
    start_samples: int
    options: SessionOptions
    state: Any = None
    before: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What an engine heard in a window. ``timed``: the words' times are exact; else they are a guess, good enough for
    words that may still change, and ``align`` finds them. ``row``: the engine's own, until its next ``transcribe``.
    """

    words: tuple[Word, ...]
    language: str | None = None
    timed: bool = True
    row: Any = None


@runtime_checkable
class RedecodingEngine(Protocol):
    @property
    def info(self) -> EngineInfo: ...

    @property
    def batch_max(self) -> int: ...

    @property
    def guard_hits(self) -> Mapping[str, int]: ...

    def begin(self, options: SessionOptions) -> Any:
        """What it wants to keep of one utterance between windows; forgotten with the utterance."""

    def transcribe(self, windows: Sequence[Window]) -> list[Draft]:
        """The words of each window, times as samples since the track began; no window depends on the others."""

    def align(self, drafts: Sequence[tuple[Draft, int]]) -> list[tuple[Word, ...]]:
        """The first so many words of each draft that is not ``timed``, with exact times.

        To be called before the next ``transcribe``.
        """
