"""Pages of Opus: written, cut, damaged; and opened by a reader that nobody here wrote."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.ogg import PACKET_MAX_BYTES, PAGE_MAX_SAMPLES, OggWriter, Page, fits, read_page, silence_packet
from media.opus import STEP_SAMPLES, Decoder16k, packet_samples
from tests.media.opus_sound import sweep_packets

PACKETS = sweep_packets(3.0)


def pages_of(data: bytes) -> list[Page]:
    """All pages; there must be nothing else."""
    pages: list[Page] = []
    at = 0
    while at < len(data):
        page = read_page(io.BytesIO(data), at)
        assert page is not None, at
        pages.append(page)
        at += page.length_bytes
    return pages


def written(packets: tuple[bytes, ...] = PACKETS, at_a_time: int = 10) -> bytes:
    writer, data = OggWriter(1, 0), b""
    for start in range(0, len(packets), at_a_time):
        for packet in packets[start : start + at_a_time]:
            writer.add(packet, packet_samples(packet))
        data += writer.take()
    return data


def played(data: bytes, path: Path) -> tuple[float, float, np.ndarray[Any, np.dtype[np.float32]]]:
    """What FFmpeg makes of it: the length it tells, the time its last sound ends, and the sound."""
    path.write_bytes(data)
    parts, end_s = [], 0.0
    with av.open(str(path), format="ogg") as container:
        told_s = (container.duration or 0) / av.time_base
        for frame in container.decode(audio=0):
            assert frame.pts is not None
            parts.append(frame.to_ndarray()[0])
            end_s = (frame.pts + frame.samples) / 48_000
    return told_s, end_s, np.concatenate(parts)


DATA = written()
ENDS = [0, *np.cumsum([page.length_bytes for page in pages_of(DATA)]).tolist()]


@pytest.mark.parametrize("at_a_time", [1, 10, 150])
def test_pages_hold_the_packets_and_tell_where_they_end(at_a_time: int) -> None:
    head, tags, *pages = pages_of(written(at_a_time=at_a_time))
    assert (head.length_samples, tags.length_samples) == (0, 0)
    assert [page.number for page in pages] == list(range(2, len(pages) + 2))
    assert tuple(packet for page in pages for packet in page.packets) == PACKETS
    end_samples = 0
    for page in pages:
        end_samples += sum(map(packet_samples, page.packets))
        assert page.end_samples == end_samples
        assert page.length_samples <= PAGE_MAX_SAMPLES
    assert len(pages) == {1: 150, 10: 15, 150: 3}[at_a_time]


def test_another_reader_plays_it_at_the_right_times(tmp_path: Path) -> None:
    told_s, end_s, sound = played(DATA, tmp_path / "a.ogg")
    assert told_s == pytest.approx(3.0, abs=1e-6)
    assert end_s == pytest.approx(3.0, abs=1e-6)
    assert len(sound) == 144_000
    ours = b"".join(map(Decoder16k().decode, PACKETS))
    theirs = sound[::3] * 32768
    # Decoded at 48 kHz and thinned out there, at 16 kHz here: a slow sweep is the same in both, but for the filter.
    best = max(
        np.corrcoef(np.frombuffer(ours, "<i2")[100 : 100 + 40_000], theirs[100 + lag : 100 + lag + 40_000])[0, 1]
        for lag in range(-8, 9)
    )
    assert best > 0.99


def test_silence_fills_gaps_so_that_a_player_keeps_the_time(tmp_path: Path) -> None:
    writer = OggWriter(1, 0)
    for start_s in (0.5, 4.0, 70.0):
        writer.fill(round(start_s * 16_000))
        for packet in PACKETS:
            writer.add(packet, packet_samples(packet))
    data = writer.take()
    told_s, end_s, sound = played(data, tmp_path / "a.ogg")
    assert told_s == end_s == pytest.approx(73.0, abs=1e-6)
    assert len(sound) == 73 * 48_000
    loud = np.abs(sound.reshape(-1, 480)).max(axis=1) > 0.05
    assert np.flatnonzero(np.diff(loud.astype(int))).tolist() == pytest.approx([49, 349, 399, 699, 6999], abs=2)
    assert len(data) < 3 * len(DATA) + 67 * 150


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_no_gap_is_too_odd_and_none_adds_up(first: int, second: int) -> None:
    writer = OggWriter(1, 0)
    writer.fill(first)
    writer.add(PACKETS[0], packet_samples(PACKETS[0]))
    writer.fill(first + 320 + second)
    writer.add(PACKETS[1], packet_samples(PACKETS[1]))
    assert writer.end_samples == first + second + 640
    pages = [page for page in pages_of(writer.take()) if page.length_samples]
    assert pages[-1].end_samples == first + second + 640
    starts = [page.end_samples - page.length_samples for page in pages]
    ends = [0, *(page.end_samples for page in pages)]
    assert all(0 <= start - end < STEP_SAMPLES for start, end in zip(starts, ends, strict=False))


@given(st.integers(STEP_SAMPLES, 3000))
def test_packets_of_silence_are_silent_and_no_longer_than_asked(samples: int) -> None:
    packet = silence_packet(samples)
    sound = Decoder16k().decode(packet)
    assert len(sound) == 2 * packet_samples(packet)
    assert 0 < packet_samples(packet) <= samples
    assert not any(sound)


@given(st.integers(0, len(DATA)))
def test_a_cut_anywhere_leaves_every_page_before_it(cut: int) -> None:
    whole = sum(end <= cut for end in ENDS[1:])
    file = io.BytesIO(DATA[:cut])
    assert [read_page(file, at) is not None for at in ENDS[: whole + 1]] == [True] * whole + [False]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.77, 0.999])
def test_another_reader_plays_what_is_left_of_a_cut(tmp_path: Path, share: float) -> None:
    cut = int(len(DATA) * share)
    [*_, last] = (page for page, end in zip(pages_of(DATA), ENDS[1:], strict=True) if end <= cut)
    _, end_s, sound = played(DATA[:cut], tmp_path / "a.ogg")
    assert end_s == pytest.approx(last.end_samples / 16_000, abs=1e-6)
    assert len(sound) == last.end_samples * 3


def test_another_reader_plays_around_damage_and_keeps_the_time(tmp_path: Path) -> None:
    packets = PACKETS * 3
    data = bytearray(written(packets))
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    told_s, end_s, sound = played(bytes(data), tmp_path / "a.ogg")
    assert told_s == end_s == pytest.approx(9.0, abs=1e-6)
    assert len(sound) > 7.5 * 48_000


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_spoils_its_page(at: int, flip: int) -> None:
    damaged = bytearray(DATA)
    damaged[at] ^= flip
    begin = max(end for end in ENDS if end <= at)
    assert read_page(io.BytesIO(damaged), begin) is None


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 509, 510, 511, 7_680, PACKET_MAX_BYTES])
def test_packets_of_every_size_come_back(size: int) -> None:
    # Code 3, one frame of 60 ms, padded (RFC 6716, 3.2.5): the size may be anything.
    packets = (b"\x18" + bytes(size - 1) if size else b"", PACKETS[0])
    writer = OggWriter(7, 0)
    for packet in packets:
        writer.add(packet, packet_samples(packet))
    assert tuple(packet for page in pages_of(writer.take())[2:] for packet in page.packets) == packets


def test_what_fits_is_what_an_encoder_can_make() -> None:
    assert all(fits(packet, 320) for packet in PACKETS)
    assert fits(bytes(1275), 320)
    assert not fits(bytes(1300), 320)
    assert not fits(bytes(1275), 40)
