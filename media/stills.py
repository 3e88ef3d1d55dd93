"""Pictures that came one by one, PNG and JPEG: what their headers say, before anything decodes them, and decoded."""

from __future__ import annotations

import struct
from typing import Any

import av
import av.error

from media.libav_memory import bound_allocations
from media.picture_file import PictureFormat
from protocol.errors import AudioFormatError

WIDTH_MAX, HEIGHT_MAX = 3840, 2160
_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = b"\x00\x00\x00\rIHDR"  # PNG (ISO/IEC 15948) 5.6: the first chunk
_CODECS = {PictureFormat.PNG: "png", PictureFormat.JPEG: "mjpeg"}
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU-T T.81, table B.1: those that begin a frame
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # without a length


def size_of(format_: PictureFormat, data: bytes) -> tuple[int, int]:
    """Its width and height by its header. Raises ``AudioFormatError`` for what is none, or too large."""
    found = _png_size(data) if format_ is PictureFormat.PNG else _jpeg_size(data)
    if found is None:
        raise AudioFormatError(f"this is no {format_.name} picture")
    width, height = found
    if not (0 < width <= WIDTH_MAX and 0 < height <= HEIGHT_MAX):
        raise AudioFormatError(
            f"a picture has at most {WIDTH_MAX} x {HEIGHT_MAX} pixels", details={"width": width, "height": height}
        )
    return width, height


def _png_size(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(_PNG + _HEADER) or len(data) < 33:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data.startswith(b"\xff\xd8\xff") and at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def decode(format_: PictureFormat, data: bytes) -> av.VideoFrame | None:
    """Blocking. None for one that is damaged. Only this one decoder looks at it, and nothing sniffs."""
    bound_allocations()
    codec: Any = av.CodecContext.create(_CODECS[format_], "r")
    codec.thread_count = 1
    try:
        found = [*codec.decode(av.Packet(data)), *codec.decode(None)]
    except (av.error.FFmpegError, ValueError, MemoryError):
        return None
    return found[0] if found else None
