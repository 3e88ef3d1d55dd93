"""Frames of a socket to blocks, and the client's own positions to the track's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media import g711
from media.opus import OpusDecoder, open_decoder
from media.resample import Resampler, mix_to_mono
from protocol.blocks import BYTES_PER_SAMPLE as BLOCK_BYTES_PER_SAMPLE
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError, InvalidMessage
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding

RATE_MIN_HZ = 8_000
RATE_MAX_HZ = 192_000
CHANNELS_MAX = 8
# The rates RFC 6716, section 2, names; whatever the stream was made at, it is decoded at 16 kHz.
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


@dataclass(frozen=True)
class PositionMap:
    """Between a client's samples per channel and the track's, where ``start_position`` lies at ``start_samples``.

    Integers only, so it is exact however long the stream is.
    """

    rate_hz: int
    start_position: int = 0
    start_samples: int = 0

    def samples_of(self, position: int) -> int:
        """The track sample nearest to ``position``, half up."""
        since = position - self.start_position
        return self.start_samples + (2 * since * SAMPLE_RATE_HZ + self.rate_hz) // (2 * self.rate_hz)

    def position_of(self, samples: int) -> int:
        """The last position that lies not after ``samples``: all sound before it is before ``samples``, too."""
        since = samples - self.start_samples
        return self.start_position - (-(2 * since + 1) * self.rate_hz // (2 * SAMPLE_RATE_HZ)) - 1


class SocketDecoder:
    """One speaking socket's sound: ``feed`` each binary frame, ``flush`` at the end.

    ``start_position`` and ``start_samples`` are where a resumed stream goes on. Blocks touch each other; the last one
    ends at ``samples_of(position)``. Raises ``AudioFormatError`` for a format that is not taken.
    """

    position: int  # the client's samples per channel taken so far, ``start_position`` included

    def __init__(
        self, encoding: Encoding, sample_rate: int, channels: int, start_position: int = 0, start_samples: int = 0
    ) -> None:
        _check_format(encoding, sample_rate, channels)
        self.position = start_position
        self._map = PositionMap(sample_rate, start_position, start_samples)
        self._end_samples = start_samples
        self._encoding = encoding
        self._channels = channels
        self._opus = open_decoder() if encoding is Encoding.OPUS else None
        self._resampler = Resampler(sample_rate)
        self._is_block_form = (encoding, sample_rate, channels) == (Encoding.PCM_S16LE, SAMPLE_RATE_HZ, 1)

    def feed(self, data: bytes) -> list[Block]:
        """The blocks that ``data`` completes. A refused frame takes nothing: the position stays.

        Raises ``InvalidMessage`` for a frame that does not hold whole samples of all channels and ``AudioFormatError``
        for an Opus packet that cannot be decoded. What is not a number counts as silence.
        """
        if not data:
            return []
        if self._opus is not None:
            return self._feed_opus(self._opus, data)
        frame_bytes = BYTES_PER_SAMPLE[self._encoding] * self._channels
        if len(data) % frame_bytes:
            raise InvalidMessage(
                "an audio frame must hold whole samples of every channel",
                details={"length_bytes": len(data), "multiple_of_bytes": frame_bytes},
            )
        self.position += len(data) // frame_bytes
        if self._is_block_form:
            return self._blocks(bytes(data))
        sound = _to_float(self._encoding, data)
        # Integers are numbers within full scale already: one channel of them is mono as it is.
        if self._channels > 1 or self._encoding is Encoding.PCM_F32LE:
            sound = mix_to_mono(sound.reshape(-1, self._channels))
        return self._blocks(self._resampler.feed(sound))

    def flush(self) -> list[Block]:
        """What the resampler still held. Nothing may be fed afterwards."""
        return self._blocks(self._resampler.flush())

    def samples_of(self, position: int) -> int:
        """Client position to track sample."""
        return self._map.samples_of(position)

    def position_of(self, samples: int) -> int:
        """Track sample to client position, for acknowledgements: never beyond what was taken."""
        return max(self._map.start_position, min(self._map.position_of(samples), self.position))

    def _feed_opus(self, decoder: OpusDecoder, packet: bytes) -> list[Block]:
        pcm = decoder.decode(packet)
        end_samples = self._end_samples + len(pcm) // BLOCK_BYTES_PER_SAMPLE
        # Every frame of RFC 6716 (2.5 ms and up) is whole at every one of its rates, so this is exact.
        since = (end_samples - self._map.start_samples) * self._map.rate_hz // SAMPLE_RATE_HZ
        self.position = self._map.start_position + since
        return self._blocks(pcm, (packet,))

    def _blocks(self, pcm: bytes, packets: tuple[bytes, ...] | None = None) -> list[Block]:
        if not pcm:
            return []
        block = Block(self._end_samples, pcm, packets)
        self._end_samples = block.end_samples
        return [block]


def _check_format(encoding: Encoding, sample_rate: int, channels: int) -> None:
    rates_ok = RATE_MIN_HZ <= sample_rate <= RATE_MAX_HZ
    if encoding is Encoding.OPUS:
        rates_ok = sample_rate in _OPUS_RATES_HZ
    if encoding is Encoding.CONTAINER or not rates_ok or not 1 <= channels <= CHANNELS_MAX:
        raise AudioFormatError(
            "unsupported audio format",
            details={"format": encoding.value, "sample_rate": sample_rate, "channels": channels},
        )


def _to_float(encoding: Encoding, data: bytes) -> npt.NDArray[np.float32]:
    match encoding:
        case Encoding.PCM_S16LE:
            return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(1 << 15)
        case Encoding.PCM_S32LE:
            return (np.frombuffer(data, "<i4") / float(1 << 31)).astype(np.float32)
        case Encoding.PCM_F32LE:
            return np.frombuffer(data, "<f4").astype(np.float32, copy=False)
        case Encoding.MULAW:
            return g711.MULAW[np.frombuffer(data, np.uint8)]
        case Encoding.ALAW:
            return g711.ALAW[np.frombuffer(data, np.uint8)]
    raise AssertionError(encoding)
