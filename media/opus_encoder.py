"""16 kHz mono sound to Opus packets of 20 ms, by the libopus that PyAV's wheel already carries.

Without a libopus that can be loaded by itself, PyAV's own encoder is used.
"""

from __future__ import annotations

import ctypes
from fractions import Fraction
from typing import Any, Protocol

from media.opus import load_libopus
from protocol.blocks import BYTES_PER_SAMPLE, MS_SAMPLES, SAMPLE_RATE_HZ

FRAME_SAMPLES = 20 * MS_SAMPLES
FRAME_BYTES = FRAME_SAMPLES * BYTES_PER_SAMPLE
BITRATE_BPS = 32_000
COMPLEXITY = 5
"""Of 10. From here on the ear gains little and the processor loses much."""
EXPECTED_LOSS_PERCENT = 10
"""With it each packet of speech carries a copy of the one before, which a browser uses where that was lost."""
PACKET_MAX_BYTES = 1275  # RFC 6716 section 3.2.1

_VOIP, _SIGNAL_VOICE = 2048, 3001
_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS, _SET_SIGNAL, _RESET = 4002, 4010, 4012, 4014, 4024, 4028


class OpusEncoder(Protocol):
    """Not to be used by two threads at once."""

    def encode(self, frame: bytes) -> bytes:
        """One packet of a frame of 20 ms. Raises OSError."""

    def reset(self) -> None:
        """Forget what was encoded before: what comes next does not follow on it."""


class Encoder16k:
    """An ``OpusEncoder`` by libopus. While it works other threads run."""

    def __init__(self) -> None:
        """Raises OSError when there is no libopus."""
        library = load_libopus()
        if library is None:
            raise OSError("no libopus")
        error = ctypes.c_int()
        self._library = library
        self._state = library.opus_encoder_create(SAMPLE_RATE_HZ, 1, _VOIP, ctypes.byref(error))
        if not self._state or error.value:
            raise OSError(f"libopus error {error.value}")
        for request, value in (
            (_SET_BITRATE, BITRATE_BPS),
            (_SET_COMPLEXITY, COMPLEXITY),
            (_SET_FEC, 1),
            (_SET_LOSS, EXPECTED_LOSS_PERCENT),
            (_SET_SIGNAL, _SIGNAL_VOICE),
        ):
            # It takes what it is asked for in an open list of arguments, whose types cannot be declared.
            if library.opus_encoder_ctl(self._state, request, ctypes.c_int(value)):
                raise OSError(f"libopus did not take request {request}")
        self._buffer = ctypes.create_string_buffer(PACKET_MAX_BYTES)
        self._buffer_address = ctypes.addressof(self._buffer)

    def __del__(self) -> None:
        state, self._state = getattr(self, "_state", None), None
        if state:
            self._library.opus_encoder_destroy(state)

    def encode(self, frame: bytes) -> bytes:
        if len(frame) != FRAME_BYTES:
            raise OSError("a frame of another length")
        length_bytes = self._library.opus_encode(
            self._state, frame, FRAME_SAMPLES, self._buffer_address, PACKET_MAX_BYTES
        )
        if length_bytes <= 0:
            raise OSError(f"libopus error {length_bytes}")
        return ctypes.string_at(self._buffer_address, length_bytes)

    def reset(self) -> None:
        self._library.opus_encoder_ctl(self._state, _RESET)


class AvEncoder16k:
    """An ``OpusEncoder`` by PyAV, for machines without libopus."""

    def __init__(self) -> None:
        import av

        self._av: Any = av
        self.reset()

    def encode(self, frame: bytes) -> bytes:
        if len(frame) != FRAME_BYTES:
            raise OSError("a frame of another length")
        sound = self._av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        sound.planes[0].update(frame)
        sound.sample_rate = SAMPLE_RATE_HZ
        sound.pts = self._encoded_samples
        sound.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._encoded_samples += FRAME_SAMPLES
        try:
            return b"".join(bytes(packet) for packet in self._codec.encode(sound))
        except self._av.FFmpegError as error:
            raise OSError(f"FFmpeg: {type(error).__name__}") from None

    def reset(self) -> None:
        self._encoded_samples = 0
        self._codec: Any = self._av.CodecContext.create("libopus", "w")
        self._codec.sample_rate = SAMPLE_RATE_HZ
        self._codec.layout = "mono"
        self._codec.format = "s16"
        self._codec.bit_rate = BITRATE_BPS
        self._codec.options = {"application": "voip", "compression_level": str(COMPLEXITY), "frame_duration": "20"}
        self._codec.time_base = Fraction(1, SAMPLE_RATE_HZ)


def open_encoder() -> OpusEncoder:
    """The best encoder this machine has."""
    return Encoder16k() if load_libopus() else AvEncoder16k()
