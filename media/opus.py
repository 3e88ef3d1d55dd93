"""Opus packets to 16 kHz mono sound (RFC 6716), by the libopus that PyAV's wheel already carries.

PyAV decodes to 48 kHz stereo and can neither conceal a lost packet nor use the copy of it that the next one carries.
libopus does all three, decodes straight to 16 kHz, and is at hand: PyAV's wheels bundle it (``av.libs`` on Linux,
``av/.dylibs`` on macOS). Without a bundled one a system libopus is used, and without that PyAV itself.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from protocol.blocks import BYTES_PER_SAMPLE, MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import AudioFormatError

PACKET_MAX_SAMPLES = 120 * MS_SAMPLES
"""RFC 6716 section 3.2: no packet is longer than 120 ms."""
STEP_SAMPLES = 40
"""Concealed sound comes in multiples of 2.5 ms."""

_FRAME_STEPS = (
    *(4, 8, 16, 24) * 3,  # SILK: 10, 20, 40, 60 ms, in steps of 2.5 ms
    *(4, 8) * 2,  # hybrid: 10, 20 ms
    *(1, 2, 4, 8) * 4,  # CELT: 2.5, 5, 10, 20 ms
)


class OpusDecoder(Protocol):
    """What a timeline needs. All sound is 16 kHz mono signed 16-bit little-endian."""

    def decode(self, packet: bytes) -> bytes:
        """The packet's sound. Raises AudioFormatError for a packet that is none."""

    def conceal(self, samples: int) -> bytes:
        """So many samples (a multiple of 40) of what may have been lost."""

    def recover(self, packet: bytes, samples: int) -> bytes:
        """The last ``samples`` (a multiple of 40) before ``packet``, from the copy in it, or concealed without one."""


def packet_samples(packet: bytes) -> int:
    """Length of a packet in samples at 16 kHz, read from its first two bytes; 0 when it is no packet (RFC 6716 3.1)."""
    if not packet:
        return 0
    code = packet[0] & 3
    if code == 3 and len(packet) < 2:
        return 0
    frames = (1, 2, 2, packet[1] & 0x3F if code == 3 else 0)[code]
    samples = frames * _FRAME_STEPS[packet[0] >> 3] * STEP_SAMPLES
    return samples if samples <= PACKET_MAX_SAMPLES else 0


def _candidates() -> Iterator[str]:
    spec = importlib.util.find_spec("av")
    for root in map(Path, (spec.submodule_search_locations or []) if spec else []):
        for folder, pattern in ((root.parent / "av.libs", "libopus[-.]*so*"), (root / ".dylibs", "libopus.*dylib")):
            yield from sorted(str(path) for path in folder.glob(pattern))
    system = ctypes.util.find_library("opus")
    if system:
        yield system


@functools.cache
def load_libopus() -> ctypes.CDLL | None:
    """The library with its functions declared; None when this machine has none."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            library.opus_decoder_create.restype = ctypes.c_void_p
            library.opus_decoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
            library.opus_decoder_destroy.restype = None
            library.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
            library.opus_decode.restype = ctypes.c_int
            library.opus_decode.argtypes = [
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_int32,
                ctypes.c_void_p,
                ctypes.c_int,
                ctypes.c_int,
            ]
            library.opus_encoder_create.restype = ctypes.c_void_p
            library.opus_encoder_create.argtypes = [
                ctypes.c_int32,
                ctypes.c_int,
                ctypes.c_int,
                ctypes.POINTER(ctypes.c_int),
            ]
            library.opus_encoder_destroy.restype = None
            library.opus_encoder_destroy.argtypes = [ctypes.c_void_p]
            library.opus_encoder_ctl.restype = ctypes.c_int
            library.opus_encoder_ctl.argtypes = [ctypes.c_void_p, ctypes.c_int]  # and more, by what is asked
            library.opus_encode.restype = ctypes.c_int32
            library.opus_encode.argtypes = [
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_int32,
            ]
        except (OSError, AttributeError):
            continue
        return library
    return None


class Decoder16k:
    """An ``OpusDecoder`` by libopus. Not to be used by two threads at once."""

    def __init__(self) -> None:
        """Raises OSError when there is no libopus."""
        library = load_libopus()
        if library is None:
            raise OSError("no libopus")
        error = ctypes.c_int()
        self._library = library
        self._opus_decode = library.opus_decode
        self._state = library.opus_decoder_create(SAMPLE_RATE_HZ, 1, ctypes.byref(error))
        if not self._state or error.value:
            raise OSError(f"libopus error {error.value}")
        self._buffer = ctypes.create_string_buffer(PACKET_MAX_SAMPLES * BYTES_PER_SAMPLE)
        self._buffer_address = ctypes.addressof(self._buffer)

    def __del__(self) -> None:
        state, self._state = getattr(self, "_state", None), None
        if state:
            self._library.opus_decoder_destroy(state)

    def decode(self, packet: bytes) -> bytes:
        # An empty packet would be taken as a lost one.
        if not packet:
            raise AudioFormatError("an empty Opus packet")
        length = self._opus_decode(self._state, packet, len(packet), self._buffer_address, PACKET_MAX_SAMPLES, 0)
        if length < 0:
            raise _undecodable(length)
        return self._buffer.raw[: length * BYTES_PER_SAMPLE]

    def conceal(self, samples: int) -> bytes:
        parts = []
        while samples > 0:
            # libopus conceals in steps of its last packet's length; 20 ms at a time fades as meant.
            step = min(samples, 20 * MS_SAMPLES)
            parts.append(self._made_up(None, step))
            samples -= step
        return b"".join(parts)

    def recover(self, packet: bytes, samples: int) -> bytes:
        return self._made_up(packet, samples)

    def _made_up(self, packet: bytes | None, samples: int) -> bytes:
        is_recovered = 0 if packet is None else 1
        length = self._opus_decode(self._state, packet, len(packet or b""), self._buffer_address, samples, is_recovered)
        if length < 0:
            raise _undecodable(length)
        return self._buffer.raw[: length * BYTES_PER_SAMPLE]


def _undecodable(error: int) -> AudioFormatError:
    return AudioFormatError("an Opus packet that cannot be decoded", details={"error": error})


class AvDecoder16k:
    """An ``OpusDecoder`` by PyAV, for machines without libopus: what is lost becomes silence."""

    def __init__(self) -> None:
        import av

        self._av: Any = av
        self._codec: Any = av.CodecContext.create("opus", "r")
        self._codec.sample_rate = 48_000
        self._codec.layout = "mono"
        self._resampler: Any = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        # The resampler keeps some samples back; this much silence ahead makes every packet come out whole.
        self._left = bytearray(2 * MS_SAMPLES * BYTES_PER_SAMPLE)

    def decode(self, packet: bytes) -> bytes:
        length_bytes = packet_samples(packet) * BYTES_PER_SAMPLE
        if not length_bytes:
            raise AudioFormatError("no Opus packet")
        try:
            for frame in self._codec.decode(self._av.Packet(packet)):
                frame.pts = None
                for part in self._resampler.resample(frame):
                    self._left += bytes(part.planes[0])[: part.samples * BYTES_PER_SAMPLE]
        except (self._av.FFmpegError, ValueError) as exc:
            raise AudioFormatError("an Opus packet that cannot be decoded") from exc
        pcm = bytes(self._left[:length_bytes])
        del self._left[:length_bytes]
        return pcm.ljust(length_bytes, b"\0")

    def conceal(self, samples: int) -> bytes:
        return bytes(samples * BYTES_PER_SAMPLE)

    def recover(self, packet: bytes, samples: int) -> bytes:
        return self.conceal(samples)


def open_decoder() -> OpusDecoder:
    """The best decoder this machine has."""
    return Decoder16k() if load_libopus() else AvDecoder16k()
