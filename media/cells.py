"""Ogg pages of a recording back to sound, ten seconds at a time.

An Opus decoder gives the same sound only after the same packets. So that a second is the same bit by bit whether it is
read alone or with all the others (a player's ranges are parts of one file), sound is always made in the same cells:
those pages of one stream that begin within the same ten seconds, by a new decoder that first heard half a second of
what comes before.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

from media.ogg import read_page
from media.opus import OpusDecoder, open_decoder, packet_samples
from protocol.blocks import BYTES_PER_SAMPLE, MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import AudioFormatError, StoreUnavailable

CELL_SAMPLES = 10 * SAMPLE_RATE_HZ
LEAD_SAMPLES = 500 * MS_SAMPLES
"""After that a decoder's speech differs from that of one which heard all by at most 60 of 32768, measured."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The sound of the pieces ``first`` to ``last`` (of a recording's row), where that has no hole but silence."""

    first: int
    last: int
    start_samples: int
    pcm: bytes

    @property
    def length_samples(self) -> int:
        return len(self.pcm) // BYTES_PER_SAMPLE


def decode(pages: Iterable[tuple[int, bytes]], start_samples: int) -> bytes:
    """The sound of pages, each with where it starts, from ``start_samples`` on, which one of them starts at.

    A packet that cannot be decoded is silence of its length. Raises ``StoreUnavailable`` when a page is no longer one.
    """
    decoder = open_decoder()
    pcm = bytearray()
    for page_start_samples, data in pages:
        page = read_page(io.BytesIO(data), 0)
        if page is None:
            raise StoreUnavailable("the recording was cut while it was read")
        sound = b"".join(_decode(decoder, packet) for packet in page.packets)
        if page_start_samples >= start_samples:
            pcm += bytes((page_start_samples - start_samples) * BYTES_PER_SAMPLE - len(pcm))
            pcm += sound
    return bytes(pcm)


def _decode(decoder: OpusDecoder, packet: bytes) -> bytes:
    length_bytes = packet_samples(packet) * BYTES_PER_SAMPLE
    try:
        return decoder.decode(packet)[:length_bytes].ljust(length_bytes, b"\0")
    except AudioFormatError:
        return bytes(length_bytes)
