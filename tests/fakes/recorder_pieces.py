"""What a recorder in a browser gives when it is asked for a piece every so often: one stream, cut wherever it stood."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from typing import Literal

import numpy as np

from media.continuation import header_of
from tests.fakes.scripted_sound import scripted_sound
from tests.media.made_files import make

Kind = Literal["webm", "ogg", "mp4"]

_MADE: dict[Kind, str] = {"webm": "webm", "ogg": "ogg", "mp4": "mp4_fragmented"}
RATE_HZ = 48_000


def streamed(kind: Kind, words: Sequence[tuple[str, float]], *, length_s: float | None = None) -> bytes:
    """All of a recording of scripted words (``tests/fakes/scripted_sound.py``)."""
    pcm = scripted_sound(words, length_s=length_s, sample_rate=RATE_HZ)
    sound = (np.frombuffer(pcm, "<i2") / np.float32(32768)).astype(np.float32).reshape(1, -1)
    more = {"frag_duration": "500000"} if kind == "mp4" else {}
    return make(_MADE[kind], 0.0, sound=sound, **more)


def cut(kind: Kind, data: bytes, count: int) -> list[bytes]:
    """``count`` pieces of about one length, the first with the header; blocks, pages and fragments stay whole."""
    header = header_of(data)
    assert header is not None
    places = {"webm": _webm_places, "ogg": _ogg_places, "mp4": _mp4_places}[kind](data)
    wanted = [len(data) * at // count for at in range(1, count)]
    at = [0, *(min(places, key=lambda place: abs(place - each)) for each in wanted), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(at)]
    assert all(pieces), "cut into fewer pieces"
    return pieces


def _webm_places(data: bytes) -> list[int]:
    """Where a cluster or a block of one begins."""
    at, places = data.index(b"\x1f\x43\xb6\x75"), []
    while at + 12 < len(data):
        places.append(at)
        if data[at : at + 4] == b"\x1f\x43\xb6\x75":
            at += 4 + 9 - data[at + 4].bit_length()  # and what is in it, from its beginning
            continue
        width = 9 - data[at + 1].bit_length()
        assert data[at] in (0xE7, 0xA3, 0xA0, 0xEC), hex(data[at])
        if data[at] == 0xE7:
            places.pop()  # the cluster's time stands with its beginning
        length = int.from_bytes(data[at + 1 : at + 1 + width], "big") & ((1 << 7 * width) - 1)
        at += 1 + width + length
    return places


def _ogg_places(data: bytes) -> list[int]:
    at, places = 0, []
    while at < len(data):
        places.append(at)
        count = data[at + 26]
        at += 27 + count + sum(data[at + 27 : at + 27 + count])
    return places[2:]


def _mp4_places(data: bytes) -> list[int]:
    at, places = 0, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"moof":
            places.append(at)
        at += length
    return places
