"""One session as the inference loop sees it: its sound, what of it was listened to, and what is owed to it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr import wire
from asr.contract import Samples, SessionOptions
from asr.utterances import FRAME_SAMPLES, Utterance, Utterances
from asr.wire import FrameError
from protocol.blocks import BYTES_PER_SAMPLE
from protocol.errors import EngineFailed
from protocol.words import Hypothesis

FRAMES_AT_ONCE_MAX = 64  # 2 s of sound: a file shall not keep a live session waiting
OWED_MAX = 2  # utterances heard but not yet said; listening on would only hide how far behind the words are
TELL_EVERY_SAMPLES = 3200  # 200 ms


@dataclass(frozen=True, slots=True)
class Owed:
    """An utterance that ended and whose final is to be run; or, without one, a marker to be given back."""

    utterance: Utterance | None
    marker: int | None
    since_s: float


class ListeningSession:
    """Takes sound in order, keeps what is not settled, and knows the utterances in it."""

    def __init__(self, opened: wire.Open, state: Any, *, silence_samples: int, max_samples: int) -> None:
        self.session_id = opened.session_id
        self.generation = opened.generation
        self.options: SessionOptions = opened.options
        self.state = state  # of the voice activity
        self.utterances = Utterances(
            opened.start_samples,
            silence_samples=silence_samples,
            max_samples=max_samples,
            lead_samples=opened.lead_samples,
        )
        self.owed: deque[Owed] = deque()
        # The open utterance, while the engine has a stream of it.
        self.stream: Any = None
        self.stream_samples = 0  # the engine has everything before
        self.interim_due_s = 0.0
        self.interim_wanted_s: float | None = None  # since when one is wanted that was not run, at the wanted cadence
        self.told = False  # words of the open utterance were told
        # The final, run while the pause was not over; or why there is none.
        self.guess: tuple[Utterance, Hypothesis | EngineFailed] | None = None
        self._pcm = bytearray()
        self._pcm_samples = opened.start_samples - opened.lead_samples  # index of the first sample in _pcm
        # (position, marker, whether what is open then stays open) asked for and not yet listened up to.
        self._ends: deque[tuple[int, int, bool]] = deque()
        self._alone_until_samples = opened.alone_until_samples
        self._told_settled = opened.start_samples
        self._told_through = opened.start_samples

    @property
    def alone(self) -> bool:
        """No step may hold others' sound beside ours: until the server was told that what it suspects is through."""
        return self._told_settled < self._alone_until_samples

    @property
    def position_samples(self) -> int:
        """The end of the sound that came."""
        return self._pcm_samples + len(self._pcm) // BYTES_PER_SAMPLE

    @property
    def kept_samples(self) -> int:
        """The first sound that is not forgotten."""
        return self._pcm_samples

    @property
    def backlog_samples(self) -> int:
        """Sound that came and is neither settled nor in an utterance that is being listened to live."""
        oldest = self.owed[0].utterance if self.owed else None
        through = oldest.start_samples if oldest else self.utterances.listened_samples
        return self.position_samples - through

    def take(self, start_samples: int, pcm: bytes) -> None:
        """Sound without holes. Raises ``FrameError`` when there is one: the peer broke its word."""
        if start_samples > self.position_samples:
            raise FrameError(f"a hole of {start_samples - self.position_samples} samples in the sound of a session")
        if len(pcm) % BYTES_PER_SAMPLE:
            raise FrameError(f"half a sample in {len(pcm)} bytes of sound")
        known_bytes = (self.position_samples - start_samples) * BYTES_PER_SAMPLE
        self._pcm += pcm[known_bytes:] if known_bytes else pcm

    def finalize(self, marker: int, *, leave_open: bool = False) -> None:
        self._ends.append((self.position_samples, marker, leave_open))

    @property
    def ready_frames(self) -> int:
        """How many whole frames there are to listen to now: none while enough is owed already."""
        limit = self._ends[0][0] if self._ends else self.position_samples
        count = min((limit - self.utterances.listened_samples) // FRAME_SAMPLES, FRAMES_AT_ONCE_MAX)
        if count <= 0 or sum(owed.utterance is not None for owed in self.owed) >= OWED_MAX:
            return 0
        return count

    def frames(self) -> Samples:
        """The whole frames to listen to now; empty when there are none or enough is owed already."""
        start = self.utterances.listened_samples
        return self.sound(start, start + self.ready_frames * FRAME_SAMPLES)

    def listened(self, probabilities: list[float], levels: list[float], now_s: float) -> None:
        """The answers for the frames; then the ends that were asked for and are reached."""
        for probability, level in zip(probabilities, levels, strict=True):
            ended = self.utterances.feed(probability, level)
            if ended is not None:
                self.owed.append(Owed(ended, None, now_s))
        while self._ends and self._ends[0][0] - self.utterances.listened_samples < FRAME_SAMPLES:
            position, marker, leave_open = self._ends.popleft()
            ended = None if leave_open else self.utterances.finalize(position)
            if ended is not None:
                self.owed.append(Owed(ended, None, now_s))
            self.owed.append(Owed(None, marker, now_s))

    def sound(self, start_samples: int, end_samples: int) -> Samples:
        start, count = start_samples - self._pcm_samples, end_samples - start_samples
        assert 0 <= start <= start + count <= len(self._pcm) // BYTES_PER_SAMPLE, (start, count, len(self._pcm))
        if not count:
            return np.zeros(0, np.int16)
        # Copied: an array that looks into the bytes would keep them from growing.
        return np.frombuffer(self._pcm, "<i2", count, start * BYTES_PER_SAMPLE).copy()

    @property
    def settled_samples(self) -> int:
        """Everything before is silence or was told as final."""
        for owed in self.owed:
            if owed.utterance is not None:
                return owed.utterance.start_samples
        return self.utterances.settled_samples

    def forget_settled(self) -> None:
        """Let go of sound that nobody will ask for again."""
        count = self.settled_samples - self._pcm_samples
        # The frame being collected may begin before a position that a finalize settled.
        count = min(count, self.utterances.listened_samples - self._pcm_samples)
        if count > 0:
            del self._pcm[: count * BYTES_PER_SAMPLE]
            self._pcm_samples += count

    def settled(self, *, now: bool = False) -> wire.Settled | None:
        """What to tell of the progress: when 200 ms went by since the last time, or ``now`` if there was any."""
        settled = max(self.settled_samples, self._told_settled)
        through = max(self.utterances.listened_samples, settled)
        progress = max(settled - self._told_settled, through - self._told_through)
        if progress < (1 if now else TELL_EVERY_SAMPLES):
            return None
        self._told_settled, self._told_through = settled, through
        return wire.Settled(
            session_id=self.session_id, generation=self.generation, samples=settled, through_samples=through
        )
