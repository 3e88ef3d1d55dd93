"""Test pictures: a ground whose colour tells whose they are, and a bar that moves with the time."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import av
import numpy as np

from media.picture_file import PictureFormat

WIDTH, HEIGHT = 640, 360
BAR = 20  # pixels
SWEEP_S = 10.0  # from the left to the right
_COLOURS = ((52, 92, 150), (150, 84, 52), (62, 128, 80), (120, 70, 140), (130, 120, 50))


def drawn(number: int, at_s: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Rows of pixels of three bytes (RGB)."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:] = _COLOURS[number % len(_COLOURS)]
    at = int(at_s % SWEEP_S / SWEEP_S * (WIDTH - BAR))
    pixels[:, at : at + BAR] = 255
    return pixels


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """ISO/IEC 15948, with no filters."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\x00" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


class Drawing:
    """Pictures of one camera or screen, one after the other: PNG, or pieces of a stream of H.264."""

    def __init__(self, format_: PictureFormat, number: int, rate_hz: int) -> None:
        self._number = number
        self._count = 0
        self._encoder: Any = None
        if format_ is PictureFormat.H264:
            self._encoder = av.CodecContext.create("libx264", "w")
            self._encoder.width, self._encoder.height, self._encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            self._encoder.framerate, self._encoder.gop_size, self._encoder.thread_count = rate_hz, rate_hz * 2, 1
            self._encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}

    def at(self, at_s: float) -> bytes:
        pixels = drawn(self._number, at_s)
        if self._encoder is None:
            return png(pixels)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
        frame.pts = self._count
        self._count += 1
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))
