from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.jobs import PAUSE_S, lay
from tests.bench.words import Recording


def test_recordings_are_laid_one_after_the_other_until_it_is_enough(tmp_path: Path) -> None:
    sounds = [np.full(round(length_s * SAMPLE_RATE_HZ), mark, np.int16) for mark, length_s in ((1, 1.0), (2, 2.0))]
    found = [Recording("made", tmp_path, f"text {at}", sound) for at, sound in enumerate(sounds)]
    said = lay(found, tmp_path / "long.wav", 6.0)
    assert [recording.reference for recording in said] == ["text 0", "text 1", "text 0"]
    with wave.open(str(tmp_path / "long.wav")) as wav:
        length = wav.getnframes()
        sound = np.frombuffer(wav.readframes(length), "<i2")
    assert length == round((1 + 2 + 1 + 3 * PAUSE_S) * SAMPLE_RATE_HZ)
    assert [int((sound == mark).sum()) for mark in (1, 2)] == [2 * SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ]
