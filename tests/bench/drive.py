"""Drive an inference loop with many live sessions, in one process, and watch what they are told.

What the loop's process does for a session is all here and all paid for: frames from the server are taken apart and
checked, the loop listens and runs its engine, and what it tells is written as frames. Only the socket's own calls and
the server on its other end are not.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from asr import wire
from asr.contract import Samples, SessionOptions
from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.clocks import Clock
from tests.bench.lag import Kept, Lags, kept

PIECE_SAMPLES = SAMPLE_RATE_HZ // 10  # new sound comes every 100 ms
PIECE_S = 0.1
ENGLISH = SessionOptions(language="en")
CADENCE_S = 1.0  # of the updates that each session shall get at the least


class Loop(Protocol):
    """What ``asr.loop.InferenceLoop`` is to its owner."""

    def take(self, message: wire.ToWorker, payload: bytes = b"") -> None: ...

    def turn(self) -> bool: ...

    def next_due_s(self) -> float | None: ...


class MakeLoop(Protocol):
    def __call__(self, tell: Callable[[BaseModel], None], clock: Callable[[], float]) -> Loop: ...


@dataclass(frozen=True)
class Talk:
    """The sound of one session, and which of its pieces hold voice. ``options``: what the session asks for."""

    samples: Samples
    voiced: npt.NDArray[np.bool_]
    options: SessionOptions = ENGLISH

    @property
    def pieces(self) -> int:
        return len(self.samples) // PIECE_SAMPLES

    def piece(self, number: int) -> bytes:
        return self.samples[number * PIECE_SAMPLES : (number + 1) * PIECE_SAMPLES].tobytes()


@dataclass(frozen=True)
class Span:
    """Seconds of the clock: sessions begin one after the other within ``ramp_s``; counted is what comes later than
    ``from_s`` and before ``until_s``."""

    ramp_s: float
    from_s: float
    until_s: float


@dataclass(frozen=True)
class Outcome:
    """``busy``: the share of time computed. ``stopped``: the run was given up, so far behind was it."""

    sessions: int
    kept: Kept
    busy: float
    stopped: bool = False
    network: Mapping[str, float] = field(default_factory=dict)  # what its calls took, where that is known


class Drive:
    """One run. ``watch`` hears all that the loop tells, after the drive itself. ``gives_up``: when it is hopeless."""

    def __init__(
        self,
        make: MakeLoop,
        talks: list[Talk],
        span: Span,
        clock: Clock,
        watch: Callable[[BaseModel], None] | None = None,
        *,
        gives_up: bool = True,
    ) -> None:
        self._clock = clock
        self._talks = talks
        self._span = span
        self._watch = watch
        self._gives_up = gives_up
        self._open = len(talks)
        self._reader = wire.FrameReader()
        self._lags = [Lags(CADENCE_S, PIECE_S, span.from_s) for _ in talks]
        starts = [span.ramp_s * number / len(talks) for number in range(len(talks))]
        # (when it comes, session, piece): a microphone gives a piece when its last sample was spoken.
        self._coming = [(start_s + PIECE_S, number, 0) for number, start_s in enumerate(starts)]
        heapq.heapify(self._coming)
        self._loop = make(self._told, clock.now_s)
        for number, talk in enumerate(talks):
            self._send(wire.Open(session_id=str(number), generation=1, start_samples=0, options=talk.options))

    def run(self) -> Outcome:
        clock, until_s = self._clock, self._span.until_s
        began_s, idle_s, check_s, stopped = clock.now_s(), clock.idle_s, self._span.from_s + 5, False
        counted = False
        while (now_s := clock.now_s()) < until_s and not stopped and self._open:
            if not counted and now_s >= self._span.from_s:
                counted, began_s, idle_s = True, now_s, clock.idle_s
            self._feed(now_s)
            busy = self._loop.turn()
            if self._gives_up and now_s > check_s:
                with clock.aside():
                    stopped, check_s = self._hopeless(), now_s + 2
            if not busy:
                clock.wait_until(self._next_s())
        now_s = clock.now_s()
        busy_share = 1 - (clock.idle_s - idle_s) / max(now_s - began_s, 1e-9)
        for lags in self._lags:
            lags.close(now_s)
        for number in range(len(self._talks)):
            self._loop.take(wire.Close(session_id=str(number), generation=1))
        return Outcome(len(self._talks), kept(self._lags), busy_share, stopped)

    def _feed(self, now_s: float) -> None:
        while self._coming and self._coming[0][0] <= now_s:
            at_s, number, piece = heapq.heappop(self._coming)
            with self._clock.aside():
                talk = self._talks[number]
                if talk.voiced[piece]:
                    self._lags[number].came((piece + 1) * PIECE_SAMPLES, at_s)
                if piece + 1 < talk.pieces:
                    heapq.heappush(self._coming, (at_s + PIECE_S, number, piece + 1))
                start = piece * PIECE_SAMPLES
                audio = wire.Audio(session_id=str(number), generation=1, start_samples=start)
                data = wire.frame(audio, talk.piece(piece))
            self._receive(data)
            if piece + 1 == talk.pieces:
                self._send(wire.Finalize(session_id=str(number), generation=1, marker=1))

    def _send(self, message: wire.ToWorker) -> None:
        self._receive(wire.frame(message))

    def _receive(self, data: bytes) -> None:
        for header, payload in self._reader.feed(data):
            self._loop.take(wire.TO_WORKER.validate_json(header), payload)

    def _told(self, message: BaseModel) -> None:
        wire.frame(message)  # the inference process would send it
        now_s = self._clock.now_s()
        with self._clock.aside():
            if isinstance(message, wire.Heard):
                self._lags[int(message.session_id)].told(message.through_samples, now_s)
            elif isinstance(message, wire.Settled):
                self._lags[int(message.session_id)].settled(message.samples)
            elif isinstance(message, wire.Marker):
                self._open -= 1
            if self._watch is not None:
                self._watch(message)

    def _next_s(self) -> float:
        due_s = self._loop.next_due_s()
        times_s = [self._span.until_s, self._clock.now_s() + 1.0]
        times_s += [due_s] if due_s is not None else []
        times_s += [self._coming[0][0]] if self._coming else []
        return min(times_s)

    def _hopeless(self) -> bool:
        """Whether more updates are late already than may be of all that will come."""
        late = sum(lag_s * 1000 > Kept.LAG_MAX_MS for lags in self._lags for lag_s in lags.lags_s)
        wanted = len(self._talks) * (self._span.until_s - self._span.from_s) / CADENCE_S
        waits = sum(lags.behind_s(self._clock.now_s()) for lags in self._lags) / len(self._lags)
        return late > 0.1 * wanted or waits > 3 * CADENCE_S
