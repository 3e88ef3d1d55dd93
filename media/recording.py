"""The reading side of a track's file: blocks, and views as WAV and Ogg with byte ranges, also while it is written."""

from __future__ import annotations

import os
import struct
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from media.cells import CELL_SAMPLES, LEAD_SAMPLES, Cell, decode
from media.disk_writer import disk_error
from media.records import HEADER_BYTES
from media.track_file import SAMPLES, Piece, scan
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Block
from protocol.errors import Conflict, NotFound, StoreUnavailable

WAV_HEADER_BYTES = 44
# RIFF, "WAVE", "fmt " with WAVE_FORMAT_PCM, "data" (Multimedia Programming Interface 1.0, 1991).
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_U32_MAX = 0xFFFF_FFFF
_PIECE_BYTES = 64 * 1024


class Recording:
    """A recording as it is on disk now. Every method blocks: call from a thread. May be shared by threads.

    What was found whole is remembered, so asking again reads only what was added. A torn or damaged tail is not there;
    a hole is silence. Opus is decoded as it is read; the same stretch is always the same sound, however it is asked
    for. Raises ``NotFound`` when there is no file and ``StoreUnavailable`` when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # One entry a piece of sound, in order of time. A start is added after all else of its piece.
        self._starts_samples = array("Q")
        self._lengths_samples = array("I")
        self._begins_bytes = array("Q")
        self._sizes_bytes = array("I")
        self._streams = array("I")
        self._end_bytes = 0  # of the last whole piece, be it sound or not
        self._has_head = False  # the file begins as an Ogg stream does
        self._kinds: set[int] = set()  # of streams that there are
        self._cell: Cell | None = None  # what was decoded last: the next question is often for more of it

    def length_samples(self) -> int:
        """The end of the last whole piece."""
        with self._lock:
            return self._refresh()

    def blocks(
        self, start_samples: int = 0, end_samples: int | None = None, block_samples: int = SAMPLE_RATE_HZ
    ) -> Iterator[Block]:
        """The sound from ``start_samples`` up to ``end_samples`` or the end without gaps, ``block_samples`` a time."""
        length_samples = self.length_samples()
        end = length_samples if end_samples is None else min(end_samples, length_samples)
        if start_samples >= end:
            return
        fd = self._open()
        try:
            for at in range(start_samples, end, block_samples):
                yield Block(at, self._pcm(fd, at, min(at + block_samples, end)))
        finally:
            os.close(fd)

    def wav_length_bytes(self) -> int:
        return WAV_HEADER_BYTES + self.length_samples() * BYTES_PER_SAMPLE

    def wav_bytes(self, start_byte: int = 0, end_byte: int | None = None) -> Iterator[bytes]:
        """Bytes ``[start_byte, end_byte)`` of the recording seen as one WAV file, clipped to what there is."""
        length_samples = self.length_samples()
        total_bytes = WAV_HEADER_BYTES + length_samples * BYTES_PER_SAMPLE
        end = total_bytes if end_byte is None else min(end_byte, total_bytes)
        if start_byte < min(end, WAV_HEADER_BYTES):
            yield wav_header(length_samples)[start_byte:end]
        first = max(start_byte, WAV_HEADER_BYTES) - WAV_HEADER_BYTES
        last = end - WAV_HEADER_BYTES
        if first >= last:
            return
        blocks = self.blocks(first // BYTES_PER_SAMPLE, -(-last // BYTES_PER_SAMPLE), _PIECE_BYTES // BYTES_PER_SAMPLE)
        for block in blocks:
            base = block.start_samples * BYTES_PER_SAMPLE
            yield block.pcm[max(0, first - base) : last - base]

    def ogg_length_bytes(self) -> int:
        """Length of the recording as the Ogg file that it was kept as. Raises ``Conflict`` when it is no such file."""
        with self._lock:
            self._refresh()
            if not self._has_head or len(self._kinds) != 1:
                raise Conflict("this sound was not kept as one Ogg file; ask for WAV")
            return self._end_bytes

    def ogg_bytes(self, start_byte: int = 0, end_byte: int | None = None) -> Iterator[bytes]:
        """Bytes ``[start_byte, end_byte)`` of that file, clipped to what there is."""
        total_bytes = self.ogg_length_bytes()
        end = total_bytes if end_byte is None else min(end_byte, total_bytes)
        if start_byte >= end:
            return
        fd = self._open()
        try:
            for at in range(start_byte, end, _PIECE_BYTES):
                yield _read(fd, at, min(_PIECE_BYTES, end - at))
        finally:
            os.close(fd)

    def _refresh(self) -> int:
        """Indexes what was added; the lock is held. Returns the length in samples."""
        end_samples = 0
        if self._starts_samples:
            end_samples = self._starts_samples[-1] + self._lengths_samples[-1]
        try:
            with self._path.open("rb") as file:
                for piece in scan(file, self._end_bytes, end_samples):
                    self._note(piece)
                    end_samples = max(end_samples, piece.end_samples)
        except FileNotFoundError as error:
            raise NotFound("there is no such recording") from error
        except OSError as error:
            raise disk_error(error, "reading the recording") from error
        return end_samples

    def _note(self, piece: Piece) -> None:
        self._end_bytes = piece.end_bytes
        if piece.length_samples:
            self._kinds.add(piece.stream)
            self._lengths_samples.append(piece.length_samples)
            self._begins_bytes.append(piece.begin_bytes)
            self._sizes_bytes.append(piece.end_bytes - piece.begin_bytes)
            self._streams.append(piece.stream)
            self._starts_samples.append(piece.start_samples)
        elif not piece.begin_bytes:
            self._has_head = True

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound("there is no such recording") from error
        except OSError as error:
            raise disk_error(error, "reading the recording") from error

    def _pcm(self, fd: int, start_samples: int, end_samples: int) -> bytes:
        """Sound laid over silence. Only indexed, so whole, pieces are read."""
        pcm = bytearray((end_samples - start_samples) * BYTES_PER_SAMPLE)
        count = len(self._starts_samples)
        index = max(0, bisect_right(self._starts_samples, start_samples) - 1)
        while index < count and self._starts_samples[index] < end_samples:
            piece_start, piece_samples = self._starts_samples[index], self._lengths_samples[index]
            cell = None
            if self._streams[index] != SAMPLES:
                cell = self._cell_of(fd, index, count)
                piece_start, piece_samples = cell.start_samples, cell.length_samples
            first, last = max(piece_start, start_samples), min(piece_start + piece_samples, end_samples)
            if first < last:
                skipped_bytes = (first - piece_start) * BYTES_PER_SAMPLE
                length_bytes = (last - first) * BYTES_PER_SAMPLE
                if cell is not None:
                    sound = cell.pcm[skipped_bytes : skipped_bytes + length_bytes]
                else:
                    sound = _read(fd, self._begins_bytes[index] + HEADER_BYTES + skipped_bytes, length_bytes)
                to = (first - start_samples) * BYTES_PER_SAMPLE
                pcm[to : to + length_bytes] = sound
            index = index + 1 if cell is None else cell.last + 1
        return bytes(pcm)

    def _cell_of(self, fd: int, index: int, count: int) -> Cell:
        """The cell that the page there is of, among the first ``count`` pieces."""
        stream, share = self._streams[index], self._starts_samples[index] // CELL_SAMPLES
        first = last = index
        while first and self._is_of(first - 1, stream, share):
            first -= 1
        while last + 1 < count and self._is_of(last + 1, stream, share):
            last += 1
        cell = self._cell
        if cell is None or (cell.first, cell.last) != (first, last):
            start_samples = self._starts_samples[first]
            lead = first
            while lead and self._streams[lead - 1] == stream:
                if self._starts_samples[lead - 1] + self._lengths_samples[lead - 1] <= start_samples - LEAD_SAMPLES:
                    break
                lead -= 1
            pages = (
                (self._starts_samples[each], _read(fd, self._begins_bytes[each], self._sizes_bytes[each]))
                for each in range(lead, last + 1)
            )
            cell = self._cell = Cell(first, last, start_samples, decode(pages, start_samples))
        return cell

    def _is_of(self, index: int, stream: int, share: int) -> bool:
        return self._streams[index] == stream and self._starts_samples[index] // CELL_SAMPLES == share


def wav_header(length_samples: int) -> bytes:
    """The 44 bytes before 16 kHz mono s16 sound. Sizes that do not fit (over 37 h) are given as the largest."""
    data_bytes = length_samples * BYTES_PER_SAMPLE
    return _WAV_HEADER.pack(
        b"RIFF",
        min(data_bytes + WAV_HEADER_BYTES - 8, _U32_MAX),
        b"WAVE",
        b"fmt ",
        16,  # bytes of the format chunk
        1,  # WAVE_FORMAT_PCM
        1,  # channels
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ * BYTES_PER_SAMPLE,
        BYTES_PER_SAMPLE,
        8 * BYTES_PER_SAMPLE,
        b"data",
        min(data_bytes, _U32_MAX),
    )


def _read(fd: int, offset_bytes: int, length_bytes: int) -> bytes:
    try:
        data = os.pread(fd, length_bytes, offset_bytes)
    except OSError as error:
        raise disk_error(error, "reading the recording") from error
    if len(data) < length_bytes:
        raise StoreUnavailable("the recording was cut while it was read")
    return data
