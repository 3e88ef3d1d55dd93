from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from media.frames import FrameJoiner, to_mono
from protocol.blocks import Block
from protocol.errors import AudioFormatError, TooLarge


def joiner(length_max_samples: int = 16_000 * 3600) -> FrameJoiner:
    return FrameJoiner(length_max_samples=length_max_samples, channels_max=6, rate_min_hz=8_000, rate_max_hz=192_000)


def frame(
    value: float, at_s: float | None, *, rate_hz: int = 48_000, length_s: float = 0.1, layout: str = "mono"
) -> av.AudioFrame:
    channels = av.AudioLayout(layout).nb_channels
    values = np.full((1, channels * round(rate_hz * length_s)), value, np.float32)
    made = av.AudioFrame.from_ndarray(values, format="flt", layout=layout)
    made.sample_rate = rate_hz
    made.time_base = Fraction(1, 1000)
    made.pts = None if at_s is None else round(at_s * 1000)
    return made


def joined(frames: list[av.AudioFrame]) -> npt.NDArray[np.int16]:
    into = joiner()
    blocks: list[Block] = [block for each in frames for block in into.add(each)] + into.flush()
    at = 0
    for block in blocks:
        assert block.start_samples == at
        at = block.end_samples
    assert into.end_samples == at
    return np.frombuffer(b"".join(block.pcm for block in blocks), "<i2")


def test_frames_that_touch_are_one_sound() -> None:
    sound = joined([frame(0.5, number / 10) for number in range(10)])
    assert len(sound) == 16_000
    assert np.abs(sound[100:-100] - 16384).max() <= 1


def test_the_first_timestamp_is_the_tracks_zero() -> None:
    assert len(joined([frame(0.5, 7.0), frame(0.5, 7.1)])) == 3200


def test_a_hole_is_silence_of_the_right_length() -> None:
    sound = joined([frame(0.5, 0.0), frame(0.5, 2.1)])
    assert len(sound) == 35_200
    assert np.abs(sound[1700:33_500]).max() <= 1
    assert np.abs(sound[33_700:35_100] - 16384).max() <= 1


@pytest.mark.parametrize("at_s", [0.102, 0.06, -30.0, 1e6, None])
def test_rounded_early_absurd_and_missing_timestamps_move_nothing(at_s: float | None) -> None:
    assert len(joined([frame(0.5, 0.0), frame(0.5, at_s)])) == 3200


def test_after_an_absurd_timestamp_holes_count_from_there() -> None:
    assert len(joined([frame(0.5, 0.0), frame(0.5, 1000.0), frame(0.5, 1001.0)])) == 1600 * 2 + 16_000


def test_a_new_rate_goes_on_where_the_old_one_ended() -> None:
    sound = joined([frame(0.5, 0.0), frame(0.5, 0.1, rate_hz=44_100), frame(0.5, 1.2, rate_hz=44_100)])
    assert len(sound) == 1600 * 3 + 16_000


@pytest.mark.parametrize(("rate_hz", "layout"), [(4_000, "mono"), (384_000, "mono"), (48_000, "7.1")])
def test_limits_of_rate_and_channels(rate_hz: int, layout: str) -> None:
    with pytest.raises(AudioFormatError):
        joiner().add(frame(0.5, 0.0, rate_hz=rate_hz, layout=layout))


def test_the_limit_of_length_counts_holes_too() -> None:
    into = joiner(length_max_samples=16_000)
    into.add(frame(0.5, 0.0))
    with pytest.raises(TooLarge):
        into.add(frame(0.5, 1.0))


@pytest.mark.parametrize(
    ("sample_format", "values", "wanted"),
    [
        ("u8", np.array([[128, 192]], np.uint8), [0.0, 0.5]),
        ("s16", np.array([[0, 16384]], np.int16), [0.0, 0.5]),
        ("s32", np.array([[0, 1 << 30]], np.int32), [0.0, 0.5]),
        ("flt", np.array([[0.0, 0.5]], np.float32), [0.0, 0.5]),
        ("dbl", np.array([[0.0, 0.5]], np.float64), [0.0, 0.5]),
    ],
)
def test_every_sample_format(sample_format: str, values: npt.NDArray[Any], wanted: list[float]) -> None:
    for name in (sample_format, sample_format + "p"):
        made = av.AudioFrame.from_ndarray(values, format=name, layout="mono")
        assert to_mono(made).tolist() == wanted


def test_stereo_is_the_mean_and_speech_in_the_centre_stays_loud() -> None:
    stereo = av.AudioFrame.from_ndarray(np.array([[0.5], [0.0]], np.float32), format="fltp", layout="stereo")
    assert to_mono(stereo).tolist() == [0.25]
    names = [channel.name for channel in av.AudioLayout("5.1").channels]
    centre = np.array([[0.5 if name == "FC" else 0.0] for name in names], np.float32)
    rumble = np.array([[0.5 if name == "LFE" else 0.0] for name in names], np.float32)
    assert to_mono(av.AudioFrame.from_ndarray(centre, format="fltp", layout="5.1"))[0] > 0.5 / len(names) * 1.5
    assert to_mono(av.AudioFrame.from_ndarray(rumble, format="fltp", layout="5.1"))[0] == 0.0
