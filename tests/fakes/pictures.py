"""Pictures as bots send them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np


def _frame(width: int, height: int, grey: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), grey, np.uint8), format="rgb24")


def still(grey: int, *, width: int = 64, height: int = 36, codec: str = "png") -> bytes:
    """One of a single grey; ``codec``: png, mjpeg."""
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = width, height, Fraction(1, 25)
    encoder.pix_fmt = "rgb24" if codec == "png" else "yuvj420p"
    frame = _frame(width, height, grey).reformat(format=encoder.pix_fmt)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def h264(greys: list[int], *, width: int = 64, height: int = 48) -> list[bytes]:
    """A stream of H.264 in Annex B form, a picture in each piece; the first one is a key frame."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", Fraction(1, 25)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
    pieces = list[bytes]()
    for number, grey in enumerate(greys):
        frame = _frame(width, height, grey).reformat(format="yuv420p")
        frame.pts = number
        pieces += [bytes(packet) for packet in encoder.encode(frame)]
    return pieces + [bytes(packet) for packet in encoder.encode(None)]


def shown(data: Any) -> list[tuple[float, int]]:
    """When each picture of a film is shown first, in seconds, and its grey."""
    with av.open(data) as film:
        found = []
        for frame in film.decode(video=0):
            assert frame.time is not None
            found.append((frame.time, round(float(frame.to_ndarray(format="gray").mean()))))
        return found


def length_s(data: Any) -> float:
    with av.open(data) as film:
        stream = film.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        return float(stream.duration * stream.time_base)
