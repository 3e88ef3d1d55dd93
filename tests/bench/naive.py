"""The way of whisper_streaming, for comparison: every second each session's whole buffer, padded to 30 s, one by one.

Through faster-whisper's own ``transcribe``, word times included, as that project calls it. Its buffer is let grow to 15
s and then cut behind a finished segment, which leaves some 8 s. It knows no voice activity unless asked to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel

from asr import wire
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from protocol.words import Word
from tests.bench.stand_in import StandIn, voiced_s

BUFFER_MAX_S = 15.0
BUFFER_CUT_S = 8.0
CADENCE_S = 1.0


@dataclass
class _Session:
    due_s: float
    sound: bytearray = field(default_factory=bytearray)
    position_samples: int = 0
    heard_samples: int = 0


class NaiveLoop:
    """Driven like ``asr.loop.InferenceLoop``. ``model``: faster-whisper's, whose network is ``stand_in``."""

    def __init__(
        self,
        model: Any,
        stand_in: StandIn,
        beam: int,
        tell: Callable[[BaseModel], None],
        clock: Callable[[], float],
    ) -> None:
        self._model = model
        self._stand_in = stand_in
        self._beam = beam
        self._tell = tell
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        self._hearings = 0

    def take(self, message: wire.ToWorker, payload: bytes = b"") -> None:
        if isinstance(message, wire.Open):
            self._sessions[message.session_id] = _Session(float("inf"))
        elif isinstance(message, wire.Audio):
            session = self._sessions[message.session_id]
            if session.due_s == float("inf"):
                session.due_s = self._clock() + CADENCE_S
            session.sound += payload
            session.position_samples += len(payload) // BYTES_PER_SAMPLE
        elif isinstance(message, wire.Close):
            del self._sessions[message.session_id]

    def turn(self) -> bool:
        now_s = self._clock()
        due = [each for each in self._sessions.items() if each[1].due_s <= now_s]
        if not due:
            return False
        name, session = min(due, key=lambda each: each[1].due_s)
        session.due_s = max(session.due_s + CADENCE_S, now_s)
        if session.position_samples > session.heard_samples:
            self._hear(name, session)
        return True

    def next_due_s(self) -> float | None:
        return min((session.due_s for session in self._sessions.values()), default=None)

    def _hear(self, name: str, session: _Session) -> None:
        samples = np.frombuffer(bytes(session.sound), np.int16)
        vocabulary = self._stand_in.vocabulary
        assert vocabulary is not None
        self._hearings += 1
        self._stand_in.next_plan = vocabulary.hypothesis(0, voiced_s(samples), self._hearings, sure=False)
        segments, _ = self._model.transcribe(
            samples.astype(np.float32) / 32768,
            language="en",
            beam_size=self._beam,
            condition_on_previous_text=True,
            word_timestamps=True,
        )
        words = [word for segment in segments for word in segment.words or ()]
        self._stand_in.next_plan = None
        start = session.position_samples - len(samples)
        session.heard_samples = session.position_samples
        if len(samples) > BUFFER_MAX_S * SAMPLE_RATE_HZ:
            del session.sound[: -int(BUFFER_CUT_S * SAMPLE_RATE_HZ) * BYTES_PER_SAMPLE]
        self._tell(
            wire.Heard(
                session_id=name,
                generation=1,
                start_samples=start,
                end_samples=session.position_samples,
                words=tuple(_word(word, start) for word in words),
                final=False,
                through_samples=session.position_samples,
            )
        )


def _word(word: Any, origin_samples: int) -> Word:
    start, end = (origin_samples + round(at_s * SAMPLE_RATE_HZ) for at_s in (word.start, word.end))
    return Word(text=word.word, start_samples=start, end_samples=max(start, end), confidence=word.probability)
