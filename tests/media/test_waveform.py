from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.recording import Recording
from media.records import encode
from media.waveform import peaks


def _recording(path: Path, samples: list[int]) -> Recording:
    path.write_bytes(encode(0, np.array(samples, "<i2").tobytes()) if samples else b"")
    return Recording(path)


def test_each_share_tells_its_loudest_sample(tmp_path: Path) -> None:
    recording = _recording(tmp_path / "a.rec", [0, 8192, -16384, 1, 0, 0, -32768, 5])
    assert peaks(recording, 4) == [0.25, 0.5, 0.0, 1.0]
    assert peaks(recording, 1) == [1.0]
    assert peaks(recording, 0) == []


def test_long_recordings_are_taken_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(3).integers(-20_000, 20_000, 1003).tolist()
    recording = _recording(tmp_path / "a.rec", samples)
    whole = peaks(recording, 13)
    monkeypatch.setattr("media.waveform._BLOCK_SAMPLES", 50)
    assert peaks(recording, 13) == whole
    assert max(whole) == pytest.approx(max(map(abs, samples)) / 32768, abs=1e-4)


def test_fewer_samples_than_shares_and_none_at_all(tmp_path: Path) -> None:
    assert max(peaks(_recording(tmp_path / "a.rec", [16384]), 5)) == 0.5
    assert peaks(_recording(tmp_path / "b.rec", []), 3) == [0.0, 0.0, 0.0]
