"""A track's file: its sound as it came, in a row of parts that is only ever added to.

Opus packets are kept in pages of an Ogg stream (``media/ogg.py``), other sound as records of samples
(``media/records.py``). A track that never changed its kind of source is one part: a plain Ogg file that any player
takes, or nothing but records. Where it changed, the next part begins behind the one before; each Ogg part has a serial
of its own, counted from 1, and a head.

Pages and records are checked, know their place in time and never overlap; there is no header to mend and no index. A
file that was cut anywhere holds everything before the cut, and after damage sound goes on with the next whole page or
record. Time between two of them is silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

from media import ogg, records
from media.opus import STEP_SAMPLES, packet_samples
from protocol.blocks import SAMPLE_RATE_HZ, Block

SAMPLES = 0
"""The ``stream`` of records; Ogg streams count from 1."""
FILL_MAX_SAMPLES = 3600 * SAMPLE_RATE_HZ
"""A longer gap in an Ogg stream (filled, it would cost 0.5 MB an hour) is left a hole, and another stream begins."""

_MARK = re.compile(b"|".join(map(re.escape, (records.MARK, ogg.MARK))))
_SEARCH_BYTES = 64 * 1024
_MARK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """Where one whole page or record lies. The head of an Ogg stream is one of no length."""

    begin_bytes: int
    end_bytes: int
    start_samples: int
    length_samples: int
    stream: int
    number: int  # of the page in its stream

    @property
    def end_samples(self) -> int:
        return self.start_samples + self.length_samples


@dataclass(frozen=True, slots=True)
class Tail:
    """What a writer must know of a file to go on with it: its last piece of sound."""

    end_bytes: int = 0
    end_samples: int = 0
    stream: int = SAMPLES  # of the last piece
    next_number: int = 0  # of that stream's next page
    streams: int = 0  # how many Ogg streams there are


class TrackEncoder:
    """Blocks in order of time to what is added to the file that ends with ``tail``."""

    def __init__(self, tail: Tail) -> None:
        self.end_samples = tail.end_samples
        self._streams = tail.streams
        self._ogg: ogg.OggWriter | None = None
        if tail.stream != SAMPLES:
            self._ogg = ogg.OggWriter(tail.stream, tail.end_samples, tail.next_number)

    def encode(self, blocks: Iterable[Block]) -> bytes:
        """All of ``blocks``, but for silence at the very end that is shorter than any packet (2.5 ms)."""
        parts: list[bytes] = []
        for is_opus, group in groupby(blocks, _is_opus):
            if is_opus:
                for block in group:
                    before = self._add(block)
                    if before:
                        parts.append(before)
                    self.end_samples = block.end_samples
                if self._ogg is not None:
                    parts.append(self._ogg.take())
            else:
                self._ogg = None
                several = list(group)
                parts.extend(records.encode_all(several))
                self.end_samples = several[-1].end_samples
        return b"".join(parts)

    def _add(self, block: Block) -> bytes:
        """What of the stream before is not given yet, when another one begins."""
        before = b""
        if self._ogg is None or block.start_samples - self._ogg.end_samples > FILL_MAX_SAMPLES:
            before = self._ogg.take() if self._ogg is not None else b""
            self._streams += 1
            # Time in a player is time on the track, so what came before the first sound is silence in the stream.
            is_first = not self.end_samples and block.start_samples <= FILL_MAX_SAMPLES
            self._ogg = ogg.OggWriter(self._streams, 0 if is_first else block.start_samples)
        assert block.packets is not None
        if block.packets:
            if block.start_samples != self._ogg.end_samples:
                self._ogg.fill(block.start_samples)
            if len(block.packets) == 1:
                self._ogg.add(block.packets[0], block.length_samples)
            else:
                for packet in block.packets:
                    self._ogg.add(packet, packet_samples(packet))
        else:
            odd_samples = (block.end_samples - self._ogg.end_samples) % STEP_SAMPLES
            self._ogg.fill(block.end_samples - odd_samples)
        return before


def scan(file: BinaryIO, offset_bytes: int = 0, end_samples: int = 0) -> Iterator[Piece]:
    """The whole pieces from ``offset_bytes`` on, where the sound before it ends at ``end_samples``.

    A damaged one is left out: it is looked for the next whole one. Ends quietly when there is none, as at a torn tail.
    """
    at: int | None = offset_bytes
    while at is not None:
        piece = _read_piece(file, at)
        if piece is None or (piece.length_samples and piece.start_samples < end_samples):
            at = _next_mark(file, at + 1)
        else:
            yield piece
            at, end_samples = piece.end_bytes, max(end_samples, piece.end_samples)


def _is_opus(block: Block) -> bool:
    """Whether the block is kept as the packets that it came in; padding beyond measure would fill the disk."""
    packets = block.packets
    if packets is None:
        return False
    if len(packets) == 1:  # nearly all of them
        length_samples = packet_samples(packets[0])
        return length_samples == block.length_samples and ogg.fits(packets[0], length_samples)
    lengths = list(map(packet_samples, packets))
    return not packets or (sum(lengths) == block.length_samples and all(map(ogg.fits, packets, lengths)))


def _read_piece(file: BinaryIO, offset_bytes: int) -> Piece | None:
    record = records.read_record(file, offset_bytes)
    if record is not None:
        return Piece(offset_bytes, record.end_bytes, record.start_samples, record.length_samples, SAMPLES, 0)
    page = ogg.read_page(file, offset_bytes)
    if page is None:
        return None
    end_bytes = offset_bytes + page.length_bytes
    start_samples = page.end_samples - page.length_samples
    return Piece(offset_bytes, end_bytes, start_samples, page.length_samples, page.serial, page.number)


def _next_mark(file: BinaryIO, offset_bytes: int) -> int | None:
    """Where a piece may begin, at ``offset_bytes`` or after."""
    file.seek(offset_bytes)
    data = b""
    while piece := file.read(_SEARCH_BYTES):
        # The end of the piece before may hold the beginning of a mark.
        data = data[-(_MARK_BYTES - 1) :] + piece
        offset_bytes += len(piece)
        found = _MARK.search(data)
        if found is not None:
            return offset_bytes - len(data) + found.start()
    return None
