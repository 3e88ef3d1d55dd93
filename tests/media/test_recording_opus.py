"""Reading back what was kept as Opus: the right sound at the right time, in whatever pieces it is asked for."""

from __future__ import annotations

import io
import os
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.recording import Recording
from media.track_file import Tail, TrackEncoder, scan
from media.wav import WAV_HEADER_BYTES
from media.waveform import peaks
from protocol.blocks import Block, silence
from protocol.errors import Conflict, NotFound
from tests.media.opus_sound import opus_blocks, sweep_packets

PACKETS = sweep_packets(25.0)
BLOCKS = opus_blocks(PACKETS)
HEARD = b"".join(block.pcm for block in BLOCKS)


def kept(blocks: list[Block], path: Path, at_a_time: int = 10) -> Recording:
    """As the recorder writes them: a few blocks each time."""
    encoder = TrackEncoder(Tail())
    path.write_bytes(b"".join(encoder.encode(blocks[at : at + at_a_time]) for at in range(0, len(blocks), at_a_time)))
    return Recording(path)


def pcm_of(recording: Recording, start: int = 0, end: int | None = None, block_samples: int = 16_000) -> bytes:
    return b"".join(block.pcm for block in recording.blocks(start, end, block_samples))


def samples(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return kept(BLOCKS, tmp_path_factory.mktemp("opus") / "a")


def test_what_is_read_is_what_was_heard(recording: Recording) -> None:
    pcm = pcm_of(recording)
    assert len(pcm) == len(HEARD)
    assert pcm[:320_000] == HEARD[:320_000]  # the first ten seconds: by the same decoder from the same beginning
    # Of 8000: nothing to be heard where one cell ends and the next begins.
    assert np.abs(samples(pcm) - samples(HEARD)).max() < 200


@pytest.fixture(scope="module")
def whole(recording: Recording) -> bytes:
    return pcm_of(recording, block_samples=400_000)


@settings(max_examples=20)
@given(start=st.integers(0, 400_100), length=st.integers(0, 60_000), block=st.integers(500, 40_000))
def test_any_part_is_that_part_of_the_whole(
    recording: Recording, whole: bytes, start: int, length: int, block: int
) -> None:
    assert pcm_of(recording, start, start + length, block) == whole[2 * start : 2 * (start + length)]


@settings(max_examples=10)
@given(start=st.integers(0, 800_000), length=st.integers(0, 40_000))
def test_another_reader_of_the_file_gets_the_same_bytes(
    recording: Recording, whole: bytes, start: int, length: int
) -> None:
    """As a player's ranges do, that come as requests of their own."""
    asked = b"".join(Recording(recording._path).wav_bytes(WAV_HEADER_BYTES + start, WAV_HEADER_BYTES + start + length))
    assert asked == whole[start : start + length]


def test_the_wav_view_is_a_wav_file_as_long_as_the_sound(recording: Recording) -> None:
    data = b"".join(recording.wav_bytes())
    assert len(data) == recording.wav_length_bytes() == WAV_HEADER_BYTES + len(HEARD)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getnframes() == recording.length_samples() == 25 * 16_000


def test_a_recording_that_grows_does_not_change_what_was_there(tmp_path: Path) -> None:
    encoder, path = TrackEncoder(Tail()), tmp_path / "a"
    recording, before = Recording(path), b""
    with path.open("ab", buffering=0) as file:
        for at in range(0, 700, 35):
            file.write(encoder.encode(BLOCKS[at : at + 35]))
            now = pcm_of(recording)
            assert len(now) == (at + 35) * 640
            assert now.startswith(before)
            before = now


def test_kinds_of_sound_in_a_row_are_read_at_their_places(tmp_path: Path) -> None:
    loud = Block(48_000, np.full(5_001, 12_345, "<i2").tobytes())
    late = opus_blocks(PACKETS[500:600], 60_000)
    recording = kept([*BLOCKS[:150], loud, *late], tmp_path / "a", at_a_time=7)
    pcm = pcm_of(recording)
    assert recording.length_samples() == 92_000
    assert pcm[:96_000] == HEARD[:96_000]
    assert pcm[96_000:106_002] == loud.pcm
    assert not any(pcm[106_002:120_000])
    assert pcm[120_000:] == b"".join(block.pcm for block in late)
    with pytest.raises(Conflict):
        recording.ogg_length_bytes()
    assert pcm_of(recording, 47_000, 61_000, 999) == pcm[94_000:122_000]


def test_lost_and_muted_sound_is_silence_of_its_length(tmp_path: Path) -> None:
    blocks = [*BLOCKS[:50], silence(16_000, 24_000, ()), *opus_blocks(PACKETS[50:80], 26_000)]
    recording = kept(blocks, tmp_path / "a")
    pcm = samples(pcm_of(recording))
    assert len(pcm) == 26_000 + 30 * 320
    assert np.abs(pcm[16_000:16_320]).max() > 0  # what was said rings out for one frame
    assert not pcm[16_320:26_000].any()
    assert np.abs(pcm[26_320:]).max() > 4_000
    assert recording.ogg_length_bytes() > 0


@settings(max_examples=20)
@given(cut=st.integers(0, 8_000))
def test_a_file_cut_anywhere_plays_up_to_the_cut(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = kept(BLOCKS[:100], folder / "a")
    (folder / "b").write_bytes((folder / "a").read_bytes()[:cut])
    pcm = pcm_of(Recording(folder / "b"))
    assert pcm_of(whole).startswith(pcm)
    with (folder / "a").open("rb") as file:
        assert len(pcm) // 2 == max((p.end_samples for p in scan(file) if p.end_bytes <= cut), default=0)


def test_damage_in_the_middle_is_silence_and_moves_nothing(tmp_path: Path) -> None:
    whole = pcm_of(kept(BLOCKS, tmp_path / "a"))
    damaged = bytearray((tmp_path / "a").read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 4096] = bytes(4096)
    (tmp_path / "b").write_bytes(damaged)
    recording = Recording(tmp_path / "b")
    pcm = pcm_of(recording)
    assert len(pcm) == len(whole)
    with (tmp_path / "b").open("rb") as file:
        [(end, start)] = [
            (before.end_samples, after.start_samples)
            for before, after in pairwise(piece for piece in scan(file) if piece.length_samples)
            if before.end_samples != after.start_samples
        ]
    assert 16_000 * 0.5 < start - end < 16_000 * 2
    assert not any(pcm[2 * end : 2 * start])
    assert pcm[: 2 * end] == whole[: 2 * end]
    later = slice(2 * start + 32_000, None)
    assert np.corrcoef(samples(pcm[later]), samples(whole[later]))[0, 1] > 0.999


def test_the_ogg_view_is_the_file_itself(tmp_path: Path) -> None:
    recording = kept(BLOCKS[:200], tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    assert recording.ogg_length_bytes() == len(data)
    assert b"".join(recording.ogg_bytes()) == data
    assert b"".join(recording.ogg_bytes(100, 7_000)) == data[100:7_000]
    assert b"".join(recording.ogg_bytes(len(data), None)) == b""
    with (tmp_path / "a").open("ab") as file:
        file.write(b"OggS and half a page")
    assert recording.ogg_length_bytes() == len(data)


def test_pages_that_were_taken_back_are_forgotten(tmp_path: Path) -> None:
    recording = kept(BLOCKS[:100], tmp_path / "a")
    whole = pcm_of(recording)
    with (tmp_path / "a").open("rb") as file:
        (*_, before_last, _) = scan(file)
    os.truncate(tmp_path / "a", before_last.end_bytes)
    assert recording.length_samples() == before_last.end_samples
    assert pcm_of(recording) == whole[: 2 * before_last.end_samples]


def test_what_is_no_ogg_file_has_no_such_view(tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        kept([Block(0, b"abcd")], tmp_path / "a").ogg_length_bytes()
    with pytest.raises(Conflict):
        kept([], tmp_path / "b").ogg_length_bytes()
    with pytest.raises(NotFound):
        Recording(tmp_path / "c").ogg_length_bytes()


def test_a_packet_that_was_never_one_is_silence(tmp_path: Path) -> None:
    # A length that its first bytes tell, and nothing behind them that could be decoded.
    broken = Block(32_000, bytes(3_840), (b"\x1a\xff\xff",))
    recording = kept([*BLOCKS[:100], broken], tmp_path / "a")
    assert recording.ogg_length_bytes()
    assert pcm_of(recording)[64_000:] == bytes(3_840)


def test_its_picture_is_that_of_the_sound(recording: Recording) -> None:
    assert peaks(recording, 25) == pytest.approx([0.25] * 25, abs=0.02)
