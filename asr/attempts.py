"""Steps of an engine, of which one that fails takes no more than its own utterance with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from pydantic import BaseModel

from asr import wire
from asr.contract import SessionOptions, Step, StreamingEngine
from asr.listening import ListeningSession, Owed
from asr.utterances import Utterance
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Hypothesis

log = structlog.get_logger(__name__)

FAILED_SESSIONS_MAX = 3  # of different sessions in a row: then it is not the sound


@dataclass(slots=True)
class Work:
    """A wish that was chosen, and the step it became. ``start_samples``: of the utterance, of which it is the end.

    ``guessed``: the utterance as it will be, of a guess.
    """

    session: ListeningSession
    owed: Owed | None
    step: Step
    start_samples: int
    guessed: Utterance | None = None

    @property
    def end_samples(self) -> int:
        return self.step.start_samples + len(self.step.samples)


class Attempts:
    """Runs batches. Before each step of the engine it says whose sound is in it (``wire.Working``)."""

    def __init__(self, engine: StreamingEngine, tell: Callable[[BaseModel], None]) -> None:
        self._engine = engine
        self._tell = tell
        self._failed: set[str] = set()  # sessions, since the last step that went well

    def run(self, works: Sequence[Work]) -> list[Hypothesis | EngineFailed]:
        """A hypothesis for each; for an utterance that failed in the batch and again alone, why.

        An utterance tried again has another stream in its ``step``. Raises ``EngineFailed`` when it is not the sound:
        silence fails as well, or ``FAILED_SESSIONS_MAX`` sessions did in a row.
        """
        try:
            hypotheses = self._step(works)
        except MemoryError:
            raise
        except Exception as error:
            log.warning("a step failed", error=type(error).__name__, utterances=len(works))
            return [self._alone(work) for work in works]
        self._failed.clear()
        return list(hypotheses)

    def _step(self, works: Sequence[Work]) -> list[Hypothesis]:
        sessions = ((work.session.session_id, work.session.generation, work.end_samples) for work in works)
        self._tell(wire.Working(sessions=tuple(sessions)))
        return self._engine.step([work.step for work in works])

    def _alone(self, work: Work) -> Hypothesis | EngineFailed:
        """Once more from the beginning of the utterance: nobody knows what the failure left in its stream."""
        self._close(work.step.stream)
        sound = work.session.sound(work.start_samples, work.end_samples)
        stream = self._engine.open(work.session.options)
        work.step = Step(stream, sound, work.start_samples, flush=work.step.flush)
        try:
            [hypothesis] = self._step([work])
        except MemoryError:
            raise
        except Exception as error:
            failure = _as_failure(error)
        else:
            self._failed.clear()
            return hypothesis
        self._failed.add(work.session.session_id)
        if len(self._failed) >= FAILED_SESSIONS_MAX:
            raise failure
        self._require_sane()
        log.error("an utterance failed", seconds=round(len(sound) / SAMPLE_RATE_HZ, 1), reason=failure.message)
        return failure

    def _require_sane(self) -> None:
        """Raises ``EngineFailed`` when not even silence can be heard."""
        silence = Step(self._engine.open(SessionOptions()), np.zeros(SAMPLE_RATE_HZ, np.int16), 0, flush=True)
        try:
            self._engine.step([silence])
        except MemoryError:
            raise
        except Exception as error:
            raise _as_failure(error) from error
        self._close(silence.stream)

    def _close(self, stream: object) -> None:
        with contextlib.suppress(Exception):
            self._engine.close(stream)


def _as_failure(error: Exception) -> EngineFailed:
    """The reason without what an engine's library says: it might hold words."""
    return error if isinstance(error, EngineFailed) else EngineFailed(f"the recogniser failed: {type(error).__name__}")
