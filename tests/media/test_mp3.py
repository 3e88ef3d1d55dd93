from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from media.mp3 import write_mp3
from media.recording import Recording
from media.records import encode
from protocol.errors import NotFound, StoreUnavailable
from tests.media.made_files import tone


def recorded(folder: Path) -> Recording:
    """Three seconds of a tone, with a hole of one in the middle."""
    pcm = (tone(16_000, 1.0) * 20_000).astype("<i2").tobytes()
    path = folder / "track"
    path.write_bytes(encode(0, pcm) + encode(32_000, pcm))
    return Recording(path)


def test_an_mp3_is_the_recording_in_time_and_sound(tmp_path: Path) -> None:
    write_mp3(recorded(tmp_path), tmp_path / "track.mp3")
    with av.open(str(tmp_path / "track.mp3"), format="mp3") as opened:
        assert opened.streams.audio[0].codec_context.name in ("mp3", "mp3float")
        sound = np.concatenate([frame.to_ndarray()[0] for frame in opened.decode(audio=0)]).astype(float)
    assert len(sound) == pytest.approx(48_000, abs=2000)
    first, hole, last = (np.abs(sound[at : at + 8000]).max() for at in (4000, 20_000, 36_000))
    assert hole < first / 10
    assert last == pytest.approx(first, rel=0.1)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["track", "track.mp3"]


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        write_mp3(recorded(tmp_path), tmp_path / "nowhere" / "track.mp3")
    with pytest.raises(NotFound):
        write_mp3(Recording(tmp_path / "none"), tmp_path / "none.mp3")
    assert [path.name for path in tmp_path.iterdir()] == ["track"]
