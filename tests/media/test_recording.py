from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.recording import Recording
from media.records import encode
from media.wav import WAV_HEADER_BYTES
from protocol.errors import NotFound

# Sound at 10..40, 40..45 and 100..300; the rest is silence.
_PARTS = [(10, bytes(range(1, 61))), (40, b"0123456789"), (100, bytes(index % 255 + 1 for index in range(400)))]
_FILE = b"".join(encode(start, pcm) for start, pcm in _PARTS)
_PCM = bytes(20) + _PARTS[0][1] + _PARTS[1][1] + bytes(110) + _PARTS[2][1]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("recording") / "a.rec"
    path.write_bytes(_FILE)
    return Recording(path)


@given(start=st.integers(0, 320), end=st.none() | st.integers(0, 320), block=st.integers(1, 330))
def test_any_part_comes_without_gaps(recording: Recording, start: int, end: int | None, block: int) -> None:
    blocks = list(recording.blocks(start, end, block))
    assert b"".join(part.pcm for part in blocks) == _PCM[2 * start : None if end is None else 2 * end]
    at = start
    for part in blocks:
        assert part.start_samples == at
        assert part.length_samples <= block
        at = part.end_samples


def test_the_wav_view_is_a_wav_file(recording: Recording) -> None:
    data = b"".join(recording.wav_bytes(0, recording.wav_length_bytes()))
    assert len(data) == recording.wav_length_bytes() == WAV_HEADER_BYTES + 600
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(10_000) == _PCM


@given(start=st.integers(0, 700), end=st.integers(0, 700))
def test_any_range_of_the_wav_view_is_its_slice(recording: Recording, start: int, end: int) -> None:
    whole = b"".join(recording.wav_bytes())
    assert b"".join(recording.wav_bytes(start, end)) == whole[start:end]


@given(cut=st.integers(0, len(_FILE)))
def test_a_file_cut_anywhere_plays_up_to_the_cut(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.rec"
    path.write_bytes(_FILE[:cut])
    recording = Recording(path)
    pcm = b"".join(block.pcm for block in recording.blocks())
    assert len(pcm) == 2 * recording.length_samples()
    assert pcm == _PCM[: len(pcm)]


@given(at=st.integers(0, len(_FILE) - 1), flip=st.integers(1, 255))
def test_damage_is_silence_never_wrong_sound(tmp_path_factory: pytest.TempPathFactory, at: int, flip: int) -> None:
    damaged = bytearray(_FILE)
    damaged[at] ^= flip
    path = tmp_path_factory.mktemp("damage") / "a.rec"
    path.write_bytes(damaged)
    pcm = b"".join(block.pcm for block in Recording(path).blocks())
    assert all(found in (there, 0) for found, there in zip(pcm, _PCM, strict=False))
    assert len(pcm) <= len(_PCM)


def test_what_is_added_later_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(_FILE[:98])
    recording = Recording(path)
    assert recording.length_samples() == 40
    with path.open("ab") as file:
        file.write(_FILE[98:])
    assert recording.length_samples() == 300
    assert b"".join(block.pcm for block in recording.blocks()) == _PCM


def test_an_empty_recording_is_a_wav_file_without_sound(tmp_path: Path) -> None:
    (tmp_path / "a.rec").touch()
    recording = Recording(tmp_path / "a.rec")
    assert recording.length_samples() == 0
    assert list(recording.blocks()) == []
    assert len(b"".join(recording.wav_bytes())) == recording.wav_length_bytes() == WAV_HEADER_BYTES


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Recording(tmp_path / "a.rec").length_samples()
