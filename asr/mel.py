"""Log-mel features of a sound that grows, as Whisper wants them; each frame is computed once.

Frame ``t`` looks at 25 ms around sample ``160 t`` of the sound. It is kept once all its samples are there, before the
window's clamp, which needs the loudest value of a whole window. What comes out is what the whole sound at once would
give: frames are computed in blocks of one size, so that not even rounding tells how the sound was cut on its way.

Whisper's features: Radford et al. 2022 ("Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.contract import Samples

HOP_SAMPLES = 160
_FFT_SAMPLES = 400
_HALF_SAMPLES = _FFT_SAMPLES // 2
_BLOCK_FRAMES = 32
_LOWEST = 1e-10  # power below it is silence
_RANGE = 8.0  # decades below the loudest value of a window; what is quieter counts as that
_HANN = np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float32)

Features = npt.NDArray[np.float32]


class GrowingMel:
    """The features of one sound. ``filters``: the mel filter bank, float32 (mels, 201).

    Takes 400 to 800 bytes per mel and second of sound, until it is forgotten.
    """

    def __init__(self, filters: Features) -> None:
        self._filters = np.ascontiguousarray(filters)
        self._start_samples: int | None = None  # of the track; the sound's first sample, middle of frame 0
        self._heard_samples = 0  # of the sound
        self._kept = np.empty((256, len(filters)), np.float32)  # log10 mel, by frame; grows by doubling
        self._frames = 0  # kept
        self._tail = np.zeros(0, np.float32)  # samples that later frames still need

    def hear(self, samples: Samples, start_samples: int) -> None:
        """Take what is new in ``samples``, which begin at ``start_samples`` of the track.

        They may overlap what was heard before; behind a gap, a new sound begins.
        """
        known = self._start_samples is not None and self._start_samples <= start_samples <= self._end_samples
        if not known:
            self._start_samples, self._heard_samples, self._frames = start_samples, 0, 0
            self._tail = np.zeros(0, np.float32)
        new = samples[max(0, self._end_samples - start_samples) :]
        if len(new):
            self._heard_samples += len(new)
            self._tail = np.concatenate([self._tail, new.astype(np.float32) / np.float32(32768)])
            self._keep()

    def window(self, from_samples: int) -> tuple[Features, int]:
        """Features (mels, frames) from the frame at ``from_samples`` of the track to the end of the sound.

        And the sample of the track in the middle of the first of them, at most 159 before ``from_samples``. There is a
        frame for every whole 10 ms; frames that reach beyond the end find silence there.
        """
        assert self._start_samples is not None
        first = (from_samples - self._start_samples) // HOP_SAMPLES
        last = self._heard_samples // HOP_SAMPLES
        log = self._kept[min(first, self._frames) : self._frames]
        if last > self._frames:
            open_ = self._compute(np.append(self._tail, np.zeros(HOP_SAMPLES, np.float32)), last - self._frames)
            log = np.concatenate([log, open_[max(0, first - self._frames) :]])
        if len(log):
            log = (np.maximum(log, log.max() - np.float32(_RANGE)) + np.float32(4)) / np.float32(4)
        return np.ascontiguousarray(log.T), self._start_samples + first * HOP_SAMPLES

    @property
    def _end_samples(self) -> int:
        return (self._start_samples or 0) + self._heard_samples

    def _keep(self) -> None:
        """Compute the frames whose samples are all there, one more for the mirrored beginning."""
        whole = max(0, (self._heard_samples - _HALF_SAMPLES - 1) // HOP_SAMPLES + 1)
        if whole <= self._frames:
            return
        while whole > len(self._kept):
            self._kept = np.concatenate([self._kept, np.empty_like(self._kept)])
        self._kept[self._frames : whole] = self._compute(self._tail, whole - self._frames)
        self._tail = self._tail[self._tail_start(whole) - self._tail_start(self._frames) :]
        self._frames = whole

    @staticmethod
    def _tail_start(frame: int) -> int:
        return max(0, frame * HOP_SAMPLES - _HALF_SAMPLES)

    def _compute(self, sound: Features, count: int) -> Features:
        """log10 mel (frames, mels) of ``count`` frames after those that are kept; ``sound`` begins at the tail."""
        lead = self._tail_start(self._frames) - (self._frames * HOP_SAMPLES - _HALF_SAMPLES)
        if lead:  # before the sound there is its mirror image
            sound = np.concatenate([sound[lead:0:-1], sound])
        blocks = -(-count // _BLOCK_FRAMES)
        needed = (blocks * _BLOCK_FRAMES - 1) * HOP_SAMPLES + _FFT_SAMPLES
        sound = np.concatenate([sound[:needed], np.zeros(max(0, needed - len(sound)), np.float32)])
        pieces = np.lib.stride_tricks.sliding_window_view(sound, _FFT_SAMPLES)[::HOP_SAMPLES]
        log = np.empty((blocks * _BLOCK_FRAMES, len(self._filters)), np.float32)
        for at in range(0, len(log), _BLOCK_FRAMES):
            spectrum = np.fft.rfft(pieces[at : at + _BLOCK_FRAMES] * _HANN).astype(np.complex64)
            power = np.abs(spectrum) ** 2
            log[at : at + _BLOCK_FRAMES] = np.log10(np.maximum(self._filters @ power.T, _LOWEST)).T
        return log[:count]
