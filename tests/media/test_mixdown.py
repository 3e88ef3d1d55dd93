from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.mixdown import Mixdown, Part
from media.mixer import KNEE
from media.recording import Recording
from media.records import encode
from media.waveform import Waveform, peaks

RANDOM = np.random.default_rng(7)
# Anna speaks from the beginning, with a hole; Ben comes when she is at 70 samples; the third after a gap.
ANNA = RANDOM.integers(-11_000, 11_000, 100).astype("<i2")
BEN = RANDOM.integers(-11_000, 11_000, 90).astype("<i2")
LATE = np.full(10, 500, "<i2")
PLACES = ((0, ANNA), (70, BEN), (200, LATE))


def summed() -> npt.NDArray[np.int16]:
    whole = np.zeros(210, np.int64)
    for start, sound in PLACES:
        whole[start : start + len(sound)] += sound
    return whole.astype("<i2")


def recorded(folder: Path, name: str, sound: npt.NDArray[np.int16]) -> Recording:
    path = folder / name
    path.write_bytes(encode(0, sound[:40].tobytes()) + encode(40, sound[40:].tobytes()))
    return Recording(path)


@pytest.fixture(scope="module")
def mixdown(tmp_path_factory: pytest.TempPathFactory) -> Mixdown:
    folder = tmp_path_factory.mktemp("tracks")
    return Mixdown(
        [Part(recorded(folder, str(number), sound), start, len(sound)) for number, (start, sound) in enumerate(PLACES)]
    )


@given(start=st.integers(0, 220), end=st.none() | st.integers(0, 220), block=st.integers(1, 230))
def test_any_stretch_is_the_sum_of_all_each_at_its_place(
    mixdown: Mixdown, start: int, end: int | None, block: int
) -> None:
    found = b"".join(each.pcm for each in mixdown.blocks(start, end, block))
    assert found == summed()[start:end].tobytes()


def test_it_is_a_wav_file_and_has_a_waveform(mixdown: Mixdown) -> None:
    data = b"".join(mixdown.wav_bytes())
    assert len(data) == mixdown.wav_length_bytes()
    with wave.open(io.BytesIO(data)) as file:
        assert file.readframes(1000) == summed().tobytes()
    assert b"".join(mixdown.wav_bytes(101, 333)) == data[101:333]
    assert peaks(mixdown, 1)[0] == round(int(np.abs(summed().astype(int)).max()) / 32_768, 4)
    assert Waveform.measure(mixdown).length_samples == 210


def test_what_is_too_loud_neither_wraps_nor_clips(tmp_path: Path) -> None:
    loud = np.full(50, 30_000, "<i2")
    two = [Part(recorded(tmp_path, name, loud), 0, 50) for name in ("a", "b")]
    quiet = Part(recorded(tmp_path, "c", np.full(50, 100, "<i2")), 0, 50)
    [block] = Mixdown(two).blocks()
    [softer] = Mixdown([two[0], quiet]).blocks()
    found, less = (np.frombuffer(each.pcm, "<i2") for each in (block, softer))
    assert (found > less).all()
    assert (less > KNEE).all()


def test_no_more_of_a_recording_than_was_there_when_it_was_looked_at(tmp_path: Path) -> None:
    [block] = Mixdown([Part(recorded(tmp_path, "a", ANNA), 10, 50)]).blocks()
    assert block.pcm == bytes(20) + ANNA[:50].tobytes()
    assert Mixdown([]).length_samples() == 0
