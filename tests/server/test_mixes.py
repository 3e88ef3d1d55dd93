from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.mixes import AT_ONCE_MAX, SILENCE_MAX_S, TRACKS_MAX, mix_of
from server.recordings import RECORDINGS_MAX
from server.store.records import Track

ANNA = Track("a", "t-1", "", "Anna", 1000.0, 32_000, 0, "finished", "webrtc", "t-1/a")
BEN = replace(ANNA, id="b", started_at=1001.5, state="failed")
MUTE = replace(ANNA, id="m", started_at=999.0, length_samples=0)


def test_all_that_sound_each_at_its_place_after_the_first_track_of_all() -> None:
    mix = mix_of([MUTE, ANNA, BEN])
    assert mix is not None
    assert (mix.tracks, mix.starts_samples, mix.length_samples) == ((ANNA, BEN), (16_000, 40_000), 72_000)


@pytest.mark.parametrize(
    "tracks",
    [
        [],
        [ANNA, MUTE],
        [ANNA, replace(BEN, state="open")],
        [ANNA, BEN, replace(MUTE, state="open")],
        [ANNA, replace(BEN, started_at=1002.1 + SILENCE_MAX_S)],
    ],
)
def test_one_alone_is_no_mix_nor_what_is_recorded_still_nor_what_lies_far_apart(tracks: list[Track]) -> None:
    assert mix_of(tracks) is None


def test_more_than_readers_may_have_read_at_once_are_no_mix() -> None:
    many = [replace(ANNA, id=f"{number}") for number in range(AT_ONCE_MAX)]
    assert mix_of([*many, MUTE]) is not None
    assert mix_of([*many, MUTE, BEN]) is None
    assert AT_ONCE_MAX <= RECORDINGS_MAX  # else each reading of one would begin with looking through all its files
    audio = (Path(__file__).parents[2] / "docs" / "audio.md").read_text()
    assert f"more than {AT_ONCE_MAX} tracks sound at once, or {TRACKS_MAX:,} one after the other" in audio


def test_many_one_after_the_other_are_one_sound() -> None:
    length_s = ANNA.length_samples / 16_000
    row = [replace(ANNA, id=f"{number}", started_at=1000.0 + number * length_s) for number in range(TRACKS_MAX)]
    mix = mix_of(row)
    assert mix is not None
    assert mix.length_samples == TRACKS_MAX * ANNA.length_samples
    assert mix_of([*row, replace(ANNA, id="x", started_at=1000.0 + TRACKS_MAX * length_s)]) is None


def test_another_mix_has_another_key() -> None:
    tracks = [
        [ANNA, BEN],
        [ANNA, replace(BEN, length_samples=1)],
        [ANNA, replace(BEN, started_at=1001.0)],
        [MUTE, ANNA, BEN],
    ]
    assert len({mix.key for each in tracks if (mix := mix_of(each)) is not None}) == len(tracks)
    assert mix_of([ANNA, replace(BEN, started_at=1001.9 + SILENCE_MAX_S)]) is not None
