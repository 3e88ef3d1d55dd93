"""Pieces of streams: told by their first bytes, and sound again behind the header of an earlier one."""

from __future__ import annotations

import io
import random
import re
from functools import cache
from pathlib import Path

import pytest

from media.containers import MATROSKA, MP4, OGG
from media.continuation import HEADER_MAX_BYTES, Header, continues, header_of, join
from media.decode import DecodeLimits, decode_file, probe_duration_s
from protocol.blocks import SAMPLE_RATE_HZ
from tests.fakes.recorder_pieces import Kind, cut, streamed
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

LIMITS = DecodeLimits(bytes_max=1 << 30, duration_max_s=600)
CONTAINERS = {"webm": MATROSKA, "ogg": OGG, "mp4": MP4}
WORDS = sentence("alpha bravo river one never papa window yes", 0.3)
KINDS: tuple[Kind, ...] = ("webm", "ogg", "mp4")


@cache
def recorded(kind: Kind) -> bytes:
    return streamed(kind, WORDS, length_s=9.0)


def lengths_s(header: Header, pieces: list[bytes], folder: Path) -> list[float]:
    """Of each piece, decoded by itself."""
    return [length_s(whole(header, piece), folder) for piece in pieces]


def whole(header: Header, piece: bytes) -> bytes:
    if continues(piece[:16]) is None:
        return piece
    out = io.BytesIO()
    assert join(header, io.BytesIO(piece), out)
    return out.getvalue()


def length_s(data: bytes, folder: Path) -> float:
    (folder / "piece").write_bytes(data)
    return sum(len(block.pcm) for block in decode_file(folder / "piece", LIMITS)) / 2 / SAMPLE_RATE_HZ


@pytest.mark.parametrize("kind", KINDS)
def test_each_piece_is_sound_of_its_own(kind: Kind, tmp_path: Path) -> None:
    data = recorded(kind)
    first, *others = pieces = cut(kind, data, 4)
    assert [continues(piece[:16]) for piece in pieces] == [None, *[CONTAINERS[kind]] * 3]
    header = header_of(first[:HEADER_MAX_BYTES])
    assert header is not None
    assert header.container is CONTAINERS[kind]
    assert header == header_of(whole(header, others[0]))  # what was joined leads the next one
    found = lengths_s(header, pieces, tmp_path)
    assert all(each > 0.4 for each in found)
    assert sum(found) == pytest.approx(9.0, abs=0.2)
    for piece, lasts_s in zip(others, found[1:], strict=True):
        (tmp_path / "piece").write_bytes(whole(header, piece))
        declared_s = probe_duration_s(tmp_path / "piece", LIMITS)
        assert declared_s is None or declared_s == pytest.approx(lasts_s, abs=0.1)


def test_a_piece_from_within_a_cluster_has_no_hole_where_the_next_begins(tmp_path: Path) -> None:
    data = recorded("webm")
    header = header_of(data)
    assert header is not None
    pieces = cut("webm", data, 4)[1:]
    assert all(piece[:1] == b"\xa3" and b"\x1f\x43\xb6\x75" in piece for piece in pieces)
    for piece in pieces:
        packets_s = 0.02 * sum(1 for _ in re.finditer(rb"\xa3(?:[\x82-\xff]|[\x40-\x4f].)\x81..\x80", piece, re.DOTALL))
        assert length_s(whole(header, piece), tmp_path) == pytest.approx(packets_s, abs=0.1)


def test_pieces_of_real_recorders(speech_data: Path, tmp_path: Path) -> None:
    media = speech_data / "media"
    for path, kind in (("derived/lj001_60s_aac_frag.mp4", "mp4"), ("derived/lj001_60s_opus_stereo.ogg", "ogg")):
        data = (media / path).read_bytes()
        header = header_of(data[:HEADER_MAX_BYTES])
        assert header is not None
        found = lengths_s(header, cut(_kind(kind), data, 4), tmp_path)
        assert sum(found) == pytest.approx(60.0, abs=0.3)
        assert all(10 < each < 20 for each in found)


@pytest.mark.parametrize("name", ["chrome57.webm", "firefox53.webm"])
def test_pieces_of_what_browsers_recorded(speech_data: Path, tmp_path: Path, name: str) -> None:
    data = (speech_data / "media" / "mediarecorder" / name).read_bytes()
    header = header_of(data[:HEADER_MAX_BYTES])
    assert header is not None
    whole_s = length_s(data, tmp_path)
    found = lengths_s(header, cut("webm", data, 3), tmp_path)
    assert sum(found) == pytest.approx(whole_s, rel=0.05)


def _kind(text: str) -> Kind:
    return next(kind for kind in KINDS if kind == text)


@pytest.mark.parametrize(
    "head", [b"", b"RIFF\0\0\0\0WAVEfmt ", b"fLaC" + bytes(12), b"\xa3" + bytes(15), b"OggS", b"ID3" + bytes(13)]
)
def test_what_continues_nothing(head: bytes) -> None:
    assert continues(head) is None


def test_what_no_piece_can_follow() -> None:
    assert header_of(wav_of(scripted_sound(WORDS))) is None
    assert header_of(b"") is None
    mp4 = recorded("mp4")
    assert header_of(mp4.replace(b"mvex", b"free")) is None  # it is whole
    for kind in KINDS:
        assert header_of(recorded(kind)[:40]) is None


def test_a_piece_of_another_kind_or_stream_is_not_joined() -> None:
    made = {kind: recorded(kind) for kind in KINDS}
    headers = {kind: header_of(data) for kind, data in made.items()}
    for kind, data in made.items():
        piece = cut(kind, data, 2)[1]
        for other, header in headers.items():
            assert header is not None
            assert join(header, io.BytesIO(piece), io.BytesIO()) is (other == kind)
    ogg = headers["ogg"]
    assert ogg is not None
    number = int.from_bytes(ogg.data[14:18], "little") ^ 1
    other_number = Header(OGG, ogg.data[:14] + number.to_bytes(4, "little") + ogg.data[18:])
    assert not join(other_number, io.BytesIO(cut("ogg", made["ogg"], 2)[1]), io.BytesIO())


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_pieces_end_nothing(kind: Kind) -> None:
    chance = random.Random(7)
    data = recorded(kind)
    header, piece = header_of(data), cut(kind, data, 3)[1]
    assert header is not None
    for _ in range(300):
        for damaged in (bytearray(data[:2000]), bytearray(piece)):
            for _ in range(chance.randrange(1, 6)):
                damaged[chance.randrange(min(len(damaged), 300))] = chance.randrange(256)
            header_of(bytes(damaged))
            join(header, io.BytesIO(bytes(damaged)), io.BytesIO())
            join(header, io.BytesIO(bytes(damaged[: chance.randrange(60)])), io.BytesIO())
