"""Where each piece of a track's sound lies in its file: what a reader remembers, so as to read only what was added."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from media.cells import CELL_SAMPLES, LEAD_SAMPLES, Cell
from media.track_file import SAMPLES, Piece


class TrackIndex:
    """Pieces of sound in order of time, 28 bytes each. One thread adds, others may look things up meanwhile."""

    def __init__(self) -> None:
        self.end_bytes = 0  # of the last whole piece, be it sound or not
        self.end_samples = 0
        self.cell: Cell | None = None  # what was decoded last: the next question is often for more of it
        self._starts_samples = array("Q")  # added to after all others, so that what has a start has all else
        self._lengths_samples = array("I")
        self._begins_bytes = array("Q")
        self._sizes_bytes = array("I")
        self._streams = array("I")
        self._kinds: set[int] = set()  # of streams that there are
        self._has_head = False  # the file begins as an Ogg stream does

    def add(self, piece: Piece) -> None:
        self.end_bytes = piece.end_bytes
        if piece.length_samples:
            self._kinds.add(piece.stream)
            self._lengths_samples.append(piece.length_samples)
            self._begins_bytes.append(piece.begin_bytes)
            self._sizes_bytes.append(piece.end_bytes - piece.begin_bytes)
            self._streams.append(piece.stream)
            self._starts_samples.append(piece.start_samples)
            self.end_samples = piece.end_samples
        elif not piece.begin_bytes:
            self._has_head = True

    def __len__(self) -> int:
        return len(self._starts_samples)

    @property
    def is_one_ogg_stream(self) -> bool:
        """From its head on, and nothing but that."""
        return self._has_head and len(self._kinds) == 1 and SAMPLES not in self._kinds

    def at(self, samples: int) -> int:
        """The number of the piece that is the last to begin at ``samples`` or before; 0 when there is none."""
        return max(0, bisect_right(self._starts_samples, samples) - 1)

    def piece(self, number: int) -> Piece:
        begin_bytes = self._begins_bytes[number]
        return Piece(
            begin_bytes,
            begin_bytes + self._sizes_bytes[number],
            self._starts_samples[number],
            self._lengths_samples[number],
            self._streams[number],
            0,
        )

    def cell_around(self, number: int, count: int) -> tuple[int, int, int]:
        """Of the first ``count`` pieces: where the cell of this page is led up to, its first page and its last."""
        stream, share = self._streams[number], self._starts_samples[number] // CELL_SAMPLES
        first = last = number
        while first and self._is_of(first - 1, stream, share):
            first -= 1
        while last + 1 < count and self._is_of(last + 1, stream, share):
            last += 1
        from_samples = self._starts_samples[first] - LEAD_SAMPLES
        lead = first
        while lead and self._streams[lead - 1] == stream and self._end_of(lead - 1) > from_samples:
            lead -= 1
        return lead, first, last

    def _is_of(self, number: int, stream: int, share: int) -> bool:
        return self._streams[number] == stream and self._starts_samples[number] // CELL_SAMPLES == share

    def _end_of(self, number: int) -> int:
        return self._starts_samples[number] + self._lengths_samples[number]
