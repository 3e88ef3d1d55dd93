"""Recordings written anew as files that say what they are: raw samples with a header, or one channel of several."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from media.decode import DecodeLimits, decode_file
from media.disk_writer import disk_error
from media.wav import wav_header
from protocol.errors import AudioFormatError
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding

# Wave format tags (RFC 2361).
_TAGS = {Encoding.PCM_S16LE: 1, Encoding.PCM_S32LE: 1, Encoding.PCM_F32LE: 3, Encoding.ALAW: 6, Encoding.MULAW: 7}
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_U32_MAX = 0xFFFF_FFFF


def with_header(path: Path, out: Path, encoding: Encoding, sample_rate: int, channels: int) -> None:
    """Write the raw samples of ``path`` as a WAV file. Blocking. ``AudioFormatError``: what are no samples."""
    width = BYTES_PER_SAMPLE.get(encoding)
    if width is None:
        raise AudioFormatError("packets need a container around them", details={"format": encoding.value})
    frame_bytes = width * channels
    try:
        data_bytes = min(path.stat().st_size, _U32_MAX - _HEADER.size)
        header = _HEADER.pack(
            *(b"RIFF", data_bytes + _HEADER.size - 8, b"WAVE", b"fmt ", 16, _TAGS[encoding], channels, sample_rate),
            *(sample_rate * frame_bytes, frame_bytes, 8 * width, b"data", data_bytes),
        )
        with path.open("rb") as raw, out.open("wb") as file:
            file.write(header)
            shutil.copyfileobj(raw, file, 1 << 20)
    except OSError as error:
        raise disk_error(error, "writing the recording") from error


def one_channel(path: Path, out: Path, channel: int, limits: DecodeLimits) -> None:
    """Write one channel of a recording as a file of its own. Blocking. Raises what ``decode_file`` raises."""
    try:
        with out.open("wb") as file:
            file.write(wav_header(0))
            length_samples = 0
            for block in decode_file(path, limits, channel):
                file.write(block.pcm)
                length_samples = block.end_samples
            file.seek(0)
            file.write(wav_header(length_samples))
    except OSError as error:
        raise disk_error(error, "writing a channel") from error
