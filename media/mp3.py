"""Sound as MP3, for whoever can play nothing else: LAME, 64 kbit/s, mono at 16 kHz."""

from __future__ import annotations

import functools
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from media.disk_writer import disk_error
from media.wav import SoundReader
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import Internal

BIT_RATE = 64_000  # speech at 16 kHz is not told from the original at less
_ENCODER = "libmp3lame"


@functools.cache
def can_encode() -> bool:
    """Whether this machine's libav brings an encoder."""
    try:
        av.codec.Codec(_ENCODER, "w")
        av.format.ContainerFormat("mp3", "w")
    except ValueError:
        return False
    return True


def write_mp3(recording: SoundReader, path: Path) -> None:
    """Encode all of it into ``path``, some 150 times faster than it is heard. Blocking.

    What is there is whole: it is written under another name first. Raises ``StoreUnavailable``.
    """
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            _encode(recording, file)
        partial.replace(path)
    except OSError as error:  # libav's errors of its own are OSError, too, where they have a number
        raise disk_error(error, "writing the MP3") from error
    except av.error.FFmpegError as error:
        raise Internal("the sound could not be encoded") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _encode(recording: SoundReader, file: object) -> None:
    with av.open(file, "w", format="mp3") as output:
        stream = output.add_stream(_ENCODER, rate=SAMPLE_RATE_HZ, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = BIT_RATE
        stream.codec_context.options = {"compression_level": "7"}  # cheaper, and no worse to hear
        for block in recording.blocks():
            frame = av.AudioFrame.from_ndarray(np.frombuffer(block.pcm, "<i2").reshape(1, -1), "s16p", "mono")
            frame.sample_rate, frame.pts, frame.time_base = (
                SAMPLE_RATE_HZ,
                block.start_samples,
                Fraction(1, SAMPLE_RATE_HZ),
            )
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
