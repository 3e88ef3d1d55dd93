"""The reading side of a track's file: blocks, and views as WAV and Ogg with byte ranges, also while it is written."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

from media import ogg
from media.cells import Cell, decode
from media.disk_writer import disk_error
from media.records import HEADER_BYTES
from media.track_file import SAMPLES, scan
from media.track_index import TrackIndex
from media.wav import SoundReader
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Block
from protocol.errors import Conflict, NotFound, StoreUnavailable

_PIECE_BYTES = 64 * 1024


class Recording(SoundReader):
    """A recording as it is on disk now. Every method blocks: call from a thread. May be shared by threads.

    What was found whole is remembered, so asking again reads only what was added. A torn or damaged tail is not there;
    a hole is silence. Opus is decoded as it is read; the same stretch is always the same sound, however it is asked
    for. Raises ``NotFound`` when there is no file and ``StoreUnavailable`` when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._index = TrackIndex()

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
        index = self._index
        fd = self._open()
        try:
            for at in range(start_samples, end, block_samples):
                yield Block(at, _pcm(fd, index, at, min(at + block_samples, end)))
        finally:
            os.close(fd)

    def ogg_length_bytes(self) -> int:
        """Length of the recording as the Ogg file that it was kept as. Raises ``Conflict`` when it is no such file."""
        with self._lock:
            self._refresh()
            if not self._index.is_one_ogg_stream:
                raise Conflict("this sound was not kept as one Ogg file; ask for WAV")
            return self._index.end_bytes

    def looks_like_ogg(self) -> bool:
        """Whether it begins and ends in the same Ogg stream, and so is one: each stream in a file has another serial.

        Cheap, where ``ogg_length_bytes`` looks at every page. False when there is no file, or its tail is torn.
        """
        try:
            with self._path.open("rb") as file:
                first = ogg.read_page(file, 0)
                return first is not None and ogg.last_serial(file) == first.serial
        except OSError:
            return False

    def ogg_bytes(self, start_byte: int = 0, end_byte: int | None = None) -> Generator[bytes, None, None]:
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
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._index.end_bytes:
                    self._index = TrackIndex()  # a write that failed was taken back
                for piece in scan(file, self._index.end_bytes, self._index.end_samples):
                    self._index.add(piece)
        except FileNotFoundError as error:
            raise NotFound("there is no such recording") from error
        except OSError as error:
            raise disk_error(error, "reading the recording") from error
        return self._index.end_samples

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound("there is no such recording") from error
        except OSError as error:
            raise disk_error(error, "reading the recording") from error


def _pcm(fd: int, index: TrackIndex, start_samples: int, end_samples: int) -> bytes:
    """Sound laid over silence. Only indexed, so whole, pieces are read."""
    pcm = bytearray((end_samples - start_samples) * BYTES_PER_SAMPLE)
    count = len(index)
    number = index.at(start_samples)
    while number < count and (piece := index.piece(number)).start_samples < end_samples:
        cell = None if piece.stream == SAMPLES else _cell(fd, index, number, count)
        found_start = cell.start_samples if cell else piece.start_samples
        found_end = found_start + (cell or piece).length_samples
        first, last = max(found_start, start_samples), min(found_end, end_samples)
        if first < last:
            at, length_bytes = (first - found_start) * BYTES_PER_SAMPLE, (last - first) * BYTES_PER_SAMPLE
            if cell:
                sound = cell.pcm[at : at + length_bytes]
            else:
                sound = _read(fd, piece.begin_bytes + HEADER_BYTES + at, length_bytes)
            to = (first - start_samples) * BYTES_PER_SAMPLE
            pcm[to : to + length_bytes] = sound
        number = cell.last + 1 if cell else number + 1
    return bytes(pcm)


def _cell(fd: int, index: TrackIndex, number: int, count: int) -> Cell:
    """The cell that the page there is of, among the first ``count`` pieces."""
    lead, first, last = index.cell_around(number, count)
    cell = index.cell
    if cell is None or (cell.first, cell.last) != (first, last):
        pieces = map(index.piece, range(lead, last + 1))
        pages = (
            (each.start_samples, _read(fd, each.begin_bytes, each.end_bytes - each.begin_bytes)) for each in pieces
        )
        start_samples = index.piece(first).start_samples
        cell = index.cell = Cell(first, last, start_samples, decode(pages, start_samples))
    return cell


def _read(fd: int, offset_bytes: int, length_bytes: int) -> bytes:
    try:
        data = os.pread(fd, length_bytes, offset_bytes)
    except OSError as error:
        raise disk_error(error, "reading the recording") from error
    if len(data) < length_bytes:
        raise StoreUnavailable("the recording was cut while it was read")
    return data
