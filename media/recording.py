"""The reading side of a record file: blocks and a WAV view with byte ranges, also while it is being written."""

from __future__ import annotations

import os
import struct
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from media.disk_writer import disk_error
from media.records import scan
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Block
from protocol.errors import NotFound, StoreUnavailable

WAV_HEADER_BYTES = 44
# RIFF, "WAVE", "fmt " with WAVE_FORMAT_PCM, "data" (Multimedia Programming Interface 1.0, 1991).
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_U32_MAX = 0xFFFF_FFFF
_PIECE_BYTES = 64 * 1024


class Recording:
    """A recording as it is on disk now. Every method blocks: call from a thread. May be shared by threads.

    What was found whole is remembered, so asking again reads only what was added. A torn or damaged tail is not there;
    a hole is silence. Raises ``NotFound`` when there is no file and ``StoreUnavailable`` when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # One entry a record, in order of time.
        self._starts_samples = array("Q")
        self._lengths_samples = array("I")
        self._offsets_bytes = array("Q")

    def length_samples(self) -> int:
        """The end of the last whole record."""
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

    def _refresh(self) -> int:
        """Indexes what was added; the lock is held. Returns the length in samples."""
        end_samples = offset_bytes = 0
        if self._starts_samples:
            end_samples = self._starts_samples[-1] + self._lengths_samples[-1]
            offset_bytes = self._offsets_bytes[-1] + self._lengths_samples[-1] * BYTES_PER_SAMPLE
        try:
            with self._path.open("rb") as file:
                for record in scan(file, offset_bytes, end_samples):
                    self._starts_samples.append(record.start_samples)
                    self._lengths_samples.append(record.length_samples)
                    self._offsets_bytes.append(record.offset_bytes)
                    end_samples = record.end_samples
        except FileNotFoundError as error:
            raise NotFound("there is no such recording") from error
        except OSError as error:
            raise disk_error(error, "reading the recording") from error
        return end_samples

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound("there is no such recording") from error
        except OSError as error:
            raise disk_error(error, "reading the recording") from error

    def _pcm(self, fd: int, start_samples: int, end_samples: int) -> bytes:
        """Records laid over silence. Only indexed, so whole, records are read."""
        pcm = bytearray((end_samples - start_samples) * BYTES_PER_SAMPLE)
        index = max(0, bisect_right(self._starts_samples, start_samples) - 1)
        while index < len(self._starts_samples) and self._starts_samples[index] < end_samples:
            record_start = self._starts_samples[index]
            first = max(record_start, start_samples)
            last = min(record_start + self._lengths_samples[index], end_samples)
            if first < last:
                at = self._offsets_bytes[index] + (first - record_start) * BYTES_PER_SAMPLE
                to = (first - start_samples) * BYTES_PER_SAMPLE
                length_bytes = (last - first) * BYTES_PER_SAMPLE
                pcm[to : to + length_bytes] = _read(fd, at, length_bytes)
            index += 1
        return bytes(pcm)


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
