"""The sound that ``earshot transcribe`` was given, in the forms its two ways need, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from media.container_stream import ContainerDecoder
from media.decode import DecodeLimits, decode_file
from media.sockets import SocketDecoder
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Block, silence
from protocol.wire.stream import Encoding
from protocol.words import Segment

STDIN_READ_BYTES = 32 * 1024
PIECE_SAMPLES = SAMPLE_RATE_HZ // 2  # half a second a frame; the socket takes up to one second
# A user's own file on a user's own machine: these only keep a broken header from filling the disk.
LIMITS = DecodeLimits(bytes_max=1 << 36, duration_max_s=48 * 3600.0)


@dataclass(frozen=True)
class Wanted:
    """What was asked for. ``source`` is a path or ``-``; ``server`` None: in this process.

    ``begun``: what was read of standard input already, to see that anything comes at all. ``diarize``: whether voices
    are told apart; ``speakers``: so many speak, where it is known.
    """

    source: str
    raw_rate_hz: int | None
    language: str | None
    engine: str | None
    name: str
    server: str | None
    data_dir: Path | None
    print_finals: bool
    begun: bytes = b""
    diarize: bool = True
    speakers: int | None = None


@dataclass
class Heard:
    """The final segments, what went wrong, as a sentence (empty: nothing), and how much sound there was."""

    segments: list[Segment] = field(default_factory=list)
    trouble: str = ""
    duration_samples: int = 0


def blocks_of(wanted: Wanted) -> Iterator[Block]:
    """The sound as blocks without holes; blocking. Raises ``AudioFormatError`` or ``TooLarge``."""
    if wanted.source != "-":
        found = decode_file(Path(wanted.source), LIMITS)
    elif wanted.raw_rate_hz is not None:
        found = _raw_blocks(wanted.raw_rate_hz, stdin_chunks(wanted.begun))
    else:
        found = _container_blocks(stdin_chunks(wanted.begun))
    at_samples = 0
    for block in found:
        if block.start_samples > at_samples:
            yield silence(at_samples, block.start_samples)
        rest = block.after(at_samples)
        if rest is not None:
            yield rest
        at_samples = max(at_samples, block.end_samples)


def pcm_pieces(wanted: Wanted) -> Iterator[bytes]:
    """The same sound as 16 kHz PCM frames for a socket."""
    size = PIECE_SAMPLES * BYTES_PER_SAMPLE
    waiting = bytearray()
    for block in blocks_of(wanted):
        waiting += block.pcm
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def raw_pieces(rate_hz: int, begun: bytes = b"") -> Iterator[bytes]:
    """Standard input as whole 16-bit samples, at most a quarter of a second each."""
    size = rate_hz // 4 * BYTES_PER_SAMPLE
    waiting = bytearray()
    for chunk in stdin_chunks(begun):
        waiting += chunk
        # What is there is sent at once: somebody may be speaking into the other end.
        while len(waiting) >= BYTES_PER_SAMPLE:
            piece = bytes(waiting[: min(size, len(waiting) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE)])
            del waiting[: len(piece)]
            yield piece


def read_stdin() -> bytes:
    """What is there now; waits for the first of it, and is empty at the end. Blocking."""
    # The descriptor itself: the buffered reader's lock would be held by this thread while Python shuts down.
    return os.read(0, STDIN_READ_BYTES)


def stdin_chunks(begun: bytes = b"") -> Iterator[bytes]:
    """``begun``, and standard input after it."""
    if begun:
        yield begun
    while chunk := read_stdin():
        yield chunk


def _raw_blocks(rate_hz: int, chunks: Iterator[bytes]) -> Iterator[Block]:
    decoder = SocketDecoder(Encoding.PCM_S16LE, rate_hz, 1)
    odd = b""
    for chunk in chunks:
        whole = odd + chunk
        cut = len(whole) - len(whole) % BYTES_PER_SAMPLE
        odd = whole[cut:]
        yield from decoder.feed(whole[:cut])
    yield from decoder.flush()


def _container_blocks(chunks: Iterator[bytes]) -> Iterator[Block]:
    decoded: list[Block] = []
    decoder = ContainerDecoder(LIMITS, decoded.append)
    try:
        for chunk in chunks:
            decoder.feed(chunk)
            yield from _taken(decoded)
    finally:
        decoder.close()
    yield from _taken(decoded)


def _taken(decoded: list[Block]) -> Iterator[Block]:
    while decoded:
        yield decoded.pop(0)
