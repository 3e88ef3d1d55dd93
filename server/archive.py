"""ZIP archives in pieces: nothing is held but the piece that is being written, however large the files are."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

PIECE_BYTES = 64 * 1024
# Above it the headers must say so beforehand; a little below the format's own limit, for data that does not shrink.
LARGE_BYTES = (1 << 31) - (1 << 20)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive. ``pieces`` is called when its turn has come; ``is_packed``: sound is already.

    ``at``: the epoch time it was made (None: that of the archive).
    """

    name: str
    length_bytes: int
    is_packed: bool
    pieces: Callable[[], Iterator[bytes]]
    at: float | None = None


def zip_pieces(entries: Iterable[Entry], *, at: float) -> Generator[bytes, None, None]:
    """The archive, its files made ``at`` that epoch time where they do not say their own. Blocks: take each piece in a
    thread. The same entries with the same times give the same bytes."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, _time_of(at if entry.at is None else entry.at))
            info.compress_type = zipfile.ZIP_STORED if entry.is_packed else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=entry.length_bytes >= LARGE_BYTES) as file:
                for piece in entry.pieces():
                    file.write(piece)
                    if sink.length_bytes >= PIECE_BYTES:
                        yield sink.take()
    yield sink.take()


def _time_of(at: float) -> tuple[int, int, int, int, int, int]:
    moment = time.gmtime(at)
    # The format begins in 1980 and ends in 2107.
    return min(max(moment.tm_year, 1980), 2107), *moment[1:6]


class _Sink:
    """Takes what is written until it is taken away. Without ``seek`` and ``tell``: then nothing is written twice."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.length_bytes = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self.length_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def close(self) -> None:
        """Nor is anything open."""

    def take(self) -> bytes:
        pieces, self._pieces, self.length_bytes = self._pieces, [], 0
        return b"".join(pieces)
