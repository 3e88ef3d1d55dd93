"""Voice activity over the sessions that have new sound; what it cannot bear in one session costs only that sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import structlog
from pydantic import BaseModel

from asr import wire
from asr.contract import Samples
from asr.listening import ListeningSession
from asr.utterances import FRAME_SAMPLES
from asr.vad import VoiceActivity, levels
from protocol.errors import EngineFailed

log = structlog.get_logger(__name__)

New = tuple[ListeningSession, Samples]
Answer = tuple[list[float], list[float]]


class Hearing:
    """Says before each call whose sound is in it (``wire.Working``), and that it is over when nothing else was said."""

    def __init__(self, voice: VoiceActivity, tell: Callable[[BaseModel], None]) -> None:
        self._voice = voice
        self._tell = tell
        self.frames = 0  # that were listened to, since the start

    def open(self, samples: int) -> Any:
        """The state of a session that is heard from there on."""
        return self._voice.open(samples // FRAME_SAMPLES)

    def listen(self, news: Sequence[New]) -> dict[str, Answer]:
        """By session, for its whole frames: the probabilities of voice and the levels.

        Sessions that are to be heard alone have calls of their own.
        Frames that fail in the batch and again alone are given up as silence (``wire.GaveUp``). Raises ``EngineFailed``
        when even silence fails: then it is not the sound.
        """
        batches = [[one for one in news if not one[0].alone], *([one] for one in news if one[0].alone)]
        return {name: answer for batch in batches if batch for name, answer in self._listen(batch)}

    def _listen(self, batch: Sequence[New]) -> Iterator[tuple[str, Answer]]:
        try:
            heard = self._call(batch)
        except MemoryError:
            raise
        except Exception as error:
            log.warning("voice activity failed", error=type(error).__name__, sessions=len(batch))
            heard = [self._once_more(session, sound) for session, sound in batch]
        self._tell(wire.Working(sessions=()))
        self.frames += sum(len(sound) for _, sound in batch) // FRAME_SAMPLES
        loud, at = levels(np.concatenate([sound for _, sound in batch])), 0
        for (session, _), probabilities in zip(batch, heard, strict=True):
            yield session.session_id, (probabilities, loud[at : at + len(probabilities)])
            at += len(probabilities)

    def _call(self, news: Sequence[New]) -> list[list[float]]:
        sessions = ((one.session_id, one.generation, one.utterances.listened_samples + len(s)) for one, s in news)
        self._tell(wire.Working(sessions=tuple(sessions)))
        return self._voice.listen([(session.state, sound) for session, sound in news])

    def _once_more(self, session: ListeningSession, sound: Samples) -> list[float]:
        session.state = self.open(session.utterances.listened_samples)  # nobody knows what the failure left in it
        try:
            [heard] = self._call([(session, sound)])
        except MemoryError:
            raise
        except Exception as error:
            reason = f"voice activity failed: {type(error).__name__}"
        else:
            return heard
        self._require_sane()
        log.error("sound was given up", frames=len(sound) // FRAME_SAMPLES, reason=reason)
        start_samples = session.utterances.listened_samples
        session.state = self.open(start_samples + len(sound))
        self._tell(
            wire.GaveUp(
                session_id=session.session_id,
                generation=session.generation,
                start_samples=start_samples,
                end_samples=start_samples + len(sound),
                message=reason,
            )
        )
        return [0.0] * (len(sound) // FRAME_SAMPLES)

    def _require_sane(self) -> None:
        try:
            self._voice.listen([(self._voice.open(), np.zeros(FRAME_SAMPLES, np.int16))])
        except MemoryError:
            raise
        except Exception as error:
            raise EngineFailed(f"voice activity failed: {type(error).__name__}") from error
