"""Pictures of one camera or screen as an MP4 that browsers play.

H.264 is put into it as it came, without being encoded again; pictures that came one by one become H.264. Each stands
for as long as it did in the meeting: the film lasts as long as its part.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error
from av.video.reformatter import ColorRange, Colorspace

from media import picture_file, stills
from media.disk_writer import disk_error
from media.libav_memory import bound_allocations
from media.picture_file import PictureFormat, PictureRecord
from protocol.errors import NotFound

_TICKS_PER_S = 90_000  # ISO/IEC 13818-1; every time in ms is a whole number of these
_TICKS_PER_MS = _TICKS_PER_S // 1000
_TIME_BASE = Fraction(1, _TICKS_PER_S)
_ENCODER = "libx264"
_BT709 = 1  # ISO/IEC 23091-2, tables 2 and 3
_KEY_FRAME_EVERY = 10  # pictures: somebody who seeks in a shared screen is shown it at once
_ENCODED = {"preset": "veryfast", "tune": "zerolatency", "crf": "26", "profile": "main", "bf": "0"}
_HEAD_BYTES = 1 << 20  # by which the demuxer knows the stream
SPS, _IDR = 7, 5  # ITU-T H.264, table 7-1


def write_mp4(pictures: Path, path: Path, end_s: float | None) -> None:
    """Of all pictures in a file of them into ``path``. Blocking; what is there is whole.

    The last one is shown until ``end_s`` of the recording; where that is not known, as long as the one before. Raises
    ``NotFound`` where there is none that can be shown, and ``StoreUnavailable``.
    """
    bound_allocations()
    partial = path.with_name(f"{path.name}.part")
    end_ms = None if end_s is None else round(end_s * 1000)
    try:
        first = next(_in_order(pictures), None)
        if first is None:
            raise NotFound("there are no pictures of this part")
        with partial.open("wb+") as file:
            write = _mux if first.format is PictureFormat.H264 else _encode
            write(pictures, file, end_ms)
        partial.replace(path)
    except FileNotFoundError:
        raise NotFound("there are no pictures of this part") from None
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise NotFound("the pictures of this part cannot be shown") from error
    except OSError as error:
        raise disk_error(error, "writing the film") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _in_order(pictures: Path) -> Iterator[PictureRecord]:
    """Without what was written late: two connections of one bot may both have shown it."""
    latest_ms = -1
    for record in picture_file.read(pictures):
        is_stream = record.format is PictureFormat.H264  # of which several pieces may come with one time
        if record.at_ms >= latest_ms + (not is_stream):
            latest_ms = record.at_ms
            yield record


def _output(file: Any) -> Any:
    return av.open(file, "w", format="mp4", options={"movflags": "faststart"})


def _last_ms(records: list[int], end_ms: int | None) -> int:
    """Until when the last picture is shown."""
    before_ms = records[-1] - records[-2] if len(records) > 1 else 1000
    return max(records[-1] + 1, records[-1] + min(before_ms, 1000) if end_ms is None else end_ms)


# Pictures one by one.


def _encode(pictures: Path, file: Any, end_ms: int | None) -> None:
    times_ms = [record.at_ms for record in _in_order(pictures)]
    ends_ms = [*times_ms[1:], _last_ms(times_ms, end_ms)]
    began_ms = times_ms[0]
    with _output(file) as output:
        stream = None
        for record, until_ms in zip(_in_order(pictures), ends_ms, strict=False):  # more may have come meanwhile
            frame = stills.decode(record.format, record.data)
            if frame is None:
                continue  # the one before is shown a little longer
            if stream is None:
                stream = output.add_stream(_ENCODER, rate=30)
                stream.width, stream.height = frame.width + 1 & ~1, frame.height + 1 & ~1
                stream.pix_fmt, stream.gop_size, stream.options = "yuv420p", _KEY_FRAME_EVERY, dict(_ENCODED)
                stream.codec_context.time_base = stream.time_base = _TIME_BASE
                stream.codec_context.thread_count = 1
                stream.codec_context.colorspace, stream.codec_context.color_range = Colorspace.ITU709, ColorRange.MPEG
                stream.codec_context.color_primaries = stream.codec_context.color_trc = _BT709
                began_ms = record.at_ms
            shown = frame.reformat(
                stream.width,
                stream.height,
                "yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            shown.pts, shown.time_base = (record.at_ms - began_ms) * _TICKS_PER_MS, _TIME_BASE
            for packet in stream.encode(shown):
                packet.duration = (until_ms - record.at_ms) * _TICKS_PER_MS
                output.mux(packet)
        if stream is None:
            raise NotFound("none of the pictures of this part can be decoded")
        output.mux(stream.encode(None))


# A stream of H.264.


def _mux(pictures: Path, file: Any, end_ms: int | None) -> None:
    found = _shown_units(_in_order(pictures))
    first = next(found, None)
    if first is None:
        raise NotFound("the pictures of this part have no key frame")
    with av.open(io.BytesIO(first[1][:_HEAD_BYTES]), format="h264") as head, _output(file) as output:
        stream = output.add_stream_from_template(head.streams.video[0])
        stream.time_base = _TIME_BASE
        began_ms, ticks = first[0], 0
        waiting: tuple[int, bytes, bool] | None = None
        times_ms: list[int] = []
        for unit in chain([first], found):
            times_ms = [*times_ms[-1:], unit[0]]
            if waiting is not None:
                ticks = _put(output, stream, waiting, began_ms, ticks, unit[0])
            waiting = unit
        assert waiting is not None
        _put(output, stream, waiting, began_ms, ticks, _last_ms(times_ms, end_ms))


def _put(output: Any, stream: Any, unit: tuple[int, bytes, bool], began_ms: int, ticks: int, next_ms: int) -> int:
    """One picture, not before ``ticks``; how far the film is then."""
    at_ms, data, is_key = unit
    packet = av.Packet(data)
    packet.stream, packet.time_base, packet.is_keyframe = stream, _TIME_BASE, is_key
    packet.pts = packet.dts = max(ticks, (at_ms - began_ms) * _TICKS_PER_MS)
    packet.duration = max(1, (next_ms - began_ms) * _TICKS_PER_MS - packet.pts)
    end_ticks = packet.pts + packet.duration
    output.mux(packet)
    return end_ticks


def _shown_units(records: Iterator[PictureRecord]) -> Iterator[tuple[int, bytes, bool]]:
    """Whole pictures (access units), from the first that needs none before: when it came, its bytes, whether it is such
    a one. A message may hold a part of one, or several: each came when its first byte did."""
    parser: Any = av.CodecContext.create("h264", "r")
    has_begun = False
    ends: list[tuple[int, int]] = []  # up to which byte of the stream each message goes, and when it came
    taken_bytes = given_bytes = 0

    def units(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
        nonlocal given_bytes, has_begun
        for packet in parser.parse(data):
            unit = bytes(packet)
            while ends[0][0] <= given_bytes:
                ends.pop(0)
            at_ms = ends[0][1]
            given_bytes += len(unit)
            kinds = nal_types(unit)
            has_begun = has_begun or {SPS, _IDR} <= kinds
            if has_begun:
                yield at_ms, unit, _IDR in kinds

    for record in records:
        taken_bytes += len(record.data)
        ends.append((taken_bytes, record.at_ms))
        yield from units(record.data)
    if ends:
        yield from units(b"")


def nal_types(data: bytes) -> set[int]:
    """Of the NAL units in a piece of an Annex B byte stream (ITU-T H.264, B.1); empty for what is none."""
    found = set[int]()
    at = data.find(b"\x00\x00\x01")
    while 0 <= at < len(data) - 3:
        found.add(data[at + 3] & 0x1F)
        at = data.find(b"\x00\x00\x01", at + 3)
    return found
