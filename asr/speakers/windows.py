"""Spans of voice to steps and the windows of sound they are told by; and sound at a level that compares. Pure.

voiced  ----------------------------------------      ------          pauses under GAP_SAMPLES count as voiced
steps   |  |  |  |  |  |  |  |  |  |  |  |  |  |      |  |  |         the last takes what is left, half a step or more
windows [-----]                                                       around the middle of a step, but not
           [-----]          ...           [-----]     [----]          beyond where the voice begins or ends
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from asr.speakers.contract import EncoderInfo, SpeechWindow
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ

GAP_SAMPLES = 250 * MS_SAMPLES
LEVEL = 1036.0  # root mean square of s16: -30 dBFS, what the Resemblyzer encoder was trained on
LEVEL_REMEMBERED_SAMPLES = 10 * SAMPLE_RATE_HZ
QUIETEST = 10.0  # what is below was no speech, and is not made louder than that


class SpeechWindows:
    """Of one track, in order. A window comes out once its sound is there and no later voice would change it."""

    def __init__(self, info: EncoderInfo) -> None:
        self._window_samples = info.window_samples
        self._step_samples = info.step_samples
        self._begin_samples: int | None = None  # of the voice that goes on
        self._end_samples = 0
        self._next_samples = 0  # where the next step begins

    @property
    def open(self) -> bool:
        """Whether a voice goes on, as far as is known: windows of it are still to come."""
        return self._begin_samples is not None

    def take(self, voiced: Iterable[tuple[int, int]], through_samples: int) -> list[SpeechWindow]:
        """The spans of voice so far, in order, and up to where there is no other; known ones may come again, longer.

        Returns the windows that are settled now: half a window behind the middle of a step, or a gap behind the voice.
        """
        windows = []
        for start_samples, end_samples in voiced:
            if end_samples <= self._end_samples:
                continue
            if self._begin_samples is not None and start_samples - self._end_samples >= GAP_SAMPLES:
                windows += self.finish()
            if self._begin_samples is None:
                self._begin_samples = self._next_samples = max(start_samples, self._end_samples)
            self._end_samples = end_samples
        windows += self._whole()
        if through_samples - self._end_samples >= GAP_SAMPLES:
            windows += self.finish()
        return windows

    def finish(self) -> list[SpeechWindow]:
        """The voice ended where it now does."""
        windows = self._whole()
        if self._begin_samples is not None:
            while self._next_samples < self._end_samples:
                left_samples = self._end_samples - self._next_samples
                windows.append(self._step(self._step_samples if left_samples > self._longest else left_samples))
        self._begin_samples = None
        return windows

    @property
    def _longest(self) -> int:
        """Of a last step: what would leave less than half a step is not cut."""
        return self._step_samples + self._step_samples // 2

    def _whole(self) -> list[SpeechWindow]:
        windows = []
        ahead_samples = max(self._longest, (self._step_samples + self._window_samples) // 2)
        if self._begin_samples is None or self._end_samples - self._begin_samples < self._window_samples:
            return []
        while self._end_samples - self._next_samples >= ahead_samples:
            windows.append(self._step(self._step_samples))
        return windows

    def _step(self, length_samples: int) -> SpeechWindow:
        assert self._begin_samples is not None
        start, end = self._next_samples, self._next_samples + length_samples
        self._next_samples = end
        earliest = self._begin_samples + self._window_samples
        heard_to = min(self._end_samples, max((start + end + self._window_samples) // 2, earliest))
        return SpeechWindow(start, end, max(self._begin_samples, heard_to - self._window_samples), heard_to)


class Levels:
    """Brings the windows of one track to one level, by how loud its speech was so far (it never looks ahead).

    A voice that is louder than the others stays so, as it would in a room.
    """

    def __init__(self) -> None:
        self._power = 0.0  # mean, of s16
        self._heard_samples = 0

    def normal(self, window: Samples) -> Samples:
        """The next window, at its level: s16, clipped."""
        self._heard(window.astype(np.float32))
        return self.again(window)

    def again(self, window: Samples) -> Samples:
        """A part of what came already, at the level of now."""
        gain = LEVEL / max(float(np.sqrt(self._power)), QUIETEST)
        levelled: Samples = np.clip(np.rint(window * np.float32(gain)), -32768, 32767).astype(np.int16)
        return levelled

    def _heard(self, sound: npt.NDArray[np.float32]) -> None:
        power = float(np.dot(sound, sound)) / max(len(sound), 1)
        self._heard_samples = min(self._heard_samples + len(sound), LEVEL_REMEMBERED_SAMPLES)
        self._power += (power - self._power) * len(sound) / max(self._heard_samples, 1)
