from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.recording import Recording
from media.records import encode
from media.waveform import Waveform, peaks


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


def test_a_kept_waveform_tells_the_same_where_shares_are_whole_steps(tmp_path: Path) -> None:
    samples = np.random.default_rng(7).integers(-20_000, 20_000, 160 * 40).tolist()
    recording = _recording(tmp_path / "a.rec", samples)
    waveform = Waveform.measure(recording)
    assert waveform.can_tell(10)
    assert not waveform.can_tell(11)
    assert waveform.peaks(10) == peaks(recording, 10)
    kept = tmp_path / "a.peaks"
    waveform.save(kept)
    loaded = Waveform.load(kept, len(samples))
    assert loaded is not None
    assert loaded.peaks(5) == peaks(recording, 5)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.peaks", "a.rec"]


def test_the_loudest_sample_there_can_be_is_kept(tmp_path: Path) -> None:
    waveform = Waveform.measure(_recording(tmp_path / "a.rec", [-32768] * 1000))
    assert waveform.peaks(1) == [1.0]


def test_a_waveform_that_does_not_fit_the_recording_is_measured_again(tmp_path: Path) -> None:
    waveform = Waveform.measure(_recording(tmp_path / "a.rec", [1000] * 1600))
    kept = tmp_path / "a.peaks"
    assert Waveform.load(kept, 1600) is None
    waveform.save(kept)
    assert Waveform.load(kept, 1600) is not None
    assert Waveform.load(kept, 1601) is None
    whole = kept.read_bytes()
    for damaged in (whole[:-1], whole[:10], b"", whole[:-1] + b"\0", b"XXXX" + whole[4:]):
        kept.write_bytes(damaged)
        assert Waveform.load(kept, 1600) is None
    with pytest.raises(OSError, match="nowhere"):
        waveform.save(tmp_path / "nowhere" / "a.peaks")


def test_no_sound_makes_an_empty_waveform(tmp_path: Path) -> None:
    assert not Waveform.measure(_recording(tmp_path / "a.rec", [])).can_tell(1)
