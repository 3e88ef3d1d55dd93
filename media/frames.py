"""Decoded frames of any rate, format and channel layout, joined into one track by their timestamps."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt
import structlog

from media.resample import Resampler, mix_to_mono, resampled_length_samples
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError, TooLarge

log = structlog.get_logger(__name__)

# Containers round timestamps to a millisecond or a video frame; less than this is no hole.
_GAP_MIN_SAMPLES = SAMPLE_RATE_HZ // 20
# A longer jump is a damaged timestamp or a recorder's clock that was set, not sound that is missing.
GAP_MAX_S = 60.0
_GAP_MAX_SAMPLES = round(GAP_MAX_S * SAMPLE_RATE_HZ)

# PyAV 18.1 counts planes up to a null pointer, but libav has none behind the eighth: it would read whatever memory is
# there and end the process. So no frame with that many planes is looked at; libav packs it first.
_PLANES_MAX = 8
_INTEGER_SCALES = {"s16": 1 << 15, "s32": 1 << 31, "s64": 1 << 63}
# ITU-R BS.775 down-mix: centre whole, sides at -3 dB, surround at -6 dB; the low-frequency channel carries no speech.
_CHANNEL_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0}
_OTHER_CHANNEL_WEIGHT = 0.5


class FrameJoiner:
    """``add`` each decoded frame, ``flush`` at the end; the blocks touch and begin at 0.

    The first frame's timestamp is the track's zero. A hole between timestamps becomes silence; one that goes back is
    ignored, since sound is never dropped. Raises ``AudioFormatError`` for a rate or channel count outside the limits
    and ``TooLarge`` beyond ``length_max_samples``.
    """

    def __init__(
        self,
        *,
        length_max_samples: int,
        channels_max: int,
        rate_min_hz: int,
        rate_max_hz: int,
        channel: int | None = None,
    ) -> None:
        """``channel``: the one that is wanted, silent where a frame has it not; None: all of them, mixed."""
        self.end_samples = 0  # of the blocks given
        self._channel = channel
        self._length_max_samples = length_max_samples
        self._channels_max = channels_max
        self._rate_min_hz = rate_min_hz
        self._rate_max_hz = rate_max_hz
        self._resampler: Resampler | None = None
        self._rate_hz = 0
        self._taken = 0  # samples per channel at this rate
        self._rate_start_samples = 0  # where this rate began
        self._zero: float | None = None  # seconds; the timestamp of the track's sample 0

    def add(self, frame: av.AudioFrame) -> list[Block]:
        channels = len(frame.layout.channels)
        rate_ok = self._rate_min_hz <= frame.sample_rate <= self._rate_max_hz
        if not rate_ok or not 1 <= channels <= self._channels_max:
            raise AudioFormatError(
                f"unsupported sample rate or channel count: {frame.sample_rate} Hz, {channels}; taken are "
                f"{self._rate_min_hz} to {self._rate_max_hz} Hz and up to {self._channels_max}",
                details={"sample_rate": frame.sample_rate, "channels": channels},
            )
        blocks = self._change_rate(frame.sample_rate) if frame.sample_rate != self._rate_hz else []
        blocks += self._silence(self._gap_samples(frame))
        return blocks + self._feed(to_mono(frame, self._channel))

    def flush(self) -> list[Block]:
        """What the resampler still held."""
        return self._block(self._resampler.flush()) if self._resampler else []

    def _change_rate(self, rate_hz: int) -> list[Block]:
        rest = self.flush()
        self._resampler, self._rate_hz, self._taken = Resampler(rate_hz), rate_hz, 0
        self._rate_start_samples = self.end_samples
        return rest

    def _position_samples(self) -> int:
        """Where the next frame goes."""
        return self._rate_start_samples + resampled_length_samples(self._taken, self._rate_hz)

    def _gap_samples(self, frame: av.AudioFrame) -> int:
        if frame.pts is None or frame.time_base is None:
            return 0
        time_s = float(frame.pts * frame.time_base)
        position_samples = self._position_samples()
        if self._zero is None:
            self._zero = time_s - position_samples / SAMPLE_RATE_HZ
        gap_samples = round((time_s - self._zero) * SAMPLE_RATE_HZ) - position_samples
        if abs(gap_samples) > _GAP_MAX_SAMPLES:
            log.warning("timestamp ignored", jump_s=round(gap_samples / SAMPLE_RATE_HZ, 3))
            self._zero = time_s - position_samples / SAMPLE_RATE_HZ
            return 0
        return gap_samples if gap_samples >= _GAP_MIN_SAMPLES else 0

    def _silence(self, gap_samples: int) -> list[Block]:
        blocks: list[Block] = []
        left = gap_samples * self._rate_hz // SAMPLE_RATE_HZ
        while left > 0:
            piece = min(left, self._rate_hz)
            blocks += self._feed(np.zeros(piece, np.float32))
            left -= piece
        return blocks

    def _feed(self, mono: npt.NDArray[np.float32]) -> list[Block]:
        assert self._resampler is not None
        self._taken += len(mono)
        if self._position_samples() > self._length_max_samples:
            raise too_long(self._length_max_samples / SAMPLE_RATE_HZ)
        return self._block(self._resampler.feed(mono))

    def _block(self, pcm: bytes) -> list[Block]:
        if not pcm:
            return []
        block = Block(self.end_samples, pcm)
        self.end_samples = block.end_samples
        return [block]


def too_long(duration_max_s: float) -> TooLarge:
    return TooLarge("the recording is too long", details={"duration_max_s": duration_max_s})


def to_mono(frame: av.AudioFrame, channel: int | None = None) -> npt.NDArray[np.float32]:
    """Shape ``(n,)`` of full scale ±1: of one channel, or of all mixed. Raises ``AudioFormatError`` for a sample format
    that is not taken."""
    channels = frame.layout.channels
    if frame.format.is_planar and len(channels) >= _PLANES_MAX:
        frame = _packed(frame)
    values: npt.NDArray[Any] = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, len(channels))
    kind = frame.format.packed.name
    scaled: npt.NDArray[np.float32]
    if kind == "u8":
        scaled = (values.astype(np.float32) - np.float32(128)) / np.float32(128)
    elif kind in _INTEGER_SCALES:
        scaled = (values / float(_INTEGER_SCALES[kind])).astype(np.float32)
    elif kind in ("flt", "dbl"):
        scaled = values.astype(np.float32)
    else:
        raise AudioFormatError("unsupported sample format", details={"sample_format": kind})
    if channel is not None:
        return mix_to_mono(scaled[:, channel : channel + 1]) if channel < len(channels) else np.zeros_like(scaled[:, 0])
    return mix_to_mono(scaled, _weights([channel.name for channel in channels]))


def _packed(frame: av.AudioFrame) -> av.AudioFrame:
    """The same samples in one plane."""
    kind = frame.format.packed.name
    (packed,) = av.AudioResampler(format=kind, layout=frame.layout, rate=frame.sample_rate).resample(frame)
    return packed


def _weights(names: list[str]) -> npt.NDArray[np.float32] | None:
    """None: all alike, as for mono, stereo, and channels whose place is not told."""
    if "FC" not in names or len(names) < 3:
        return None
    return np.array([_CHANNEL_WEIGHTS.get(name, _OTHER_CHANNEL_WEIGHT) for name in names], np.float32)
