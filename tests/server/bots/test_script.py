"""Meetings that are played hold to their script."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.drawn import HEIGHT, WIDTH
from media.picture_file import PictureFormat as PictureFile
from media.stills import size_of
from media.video import nal_types
from protocol.participants import ParticipantAction
from protocol.wire.bot_items import Acted, Picture, PictureFormat, Sound
from server.bots.script import RATES_HZ, Part, played
from tests.fakes.scripted_sound import scripted_sound
from tests.fakes.wav import wav_of

BEGAN_AT = 1000.0


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    path = tmp_path / "ada.wav"
    path.write_bytes(wav_of(scripted_sound([("alpha", 0.5)], length_s=4.05)))
    return path


def test_a_part_is_read_from_one_text() -> None:
    part = Part.parse("talk/ada.wav,name=Ada L.,at=6.5,join=2,leave=60,mute=10-20,mute=30-31.5", 3)
    assert (part.participant.id, part.participant.name) == (3, "Ada L.")
    assert (part.path, part.at_s, part.joins_s, part.leaves_s) == (Path("talk/ada.wav"), 6.5, 2.0, 60.0)
    assert part.mutes == ((10.0, 20.0), (30.0, 31.5))
    least = Part.parse("ben.wav,at=3", 1)
    assert (least.participant.name, least.joins_s, least.leaves_s) == ("ben", 3.0, None)


@pytest.mark.parametrize(
    "wrong",
    [
        "a.wav,nme=x",
        "a.wav,at=soon",
        "a.wav,mute=10",
        "a.wav,leave=-1",
        "a.wav,at=nan",
        "a.wav,screen=9-3",
        "a.wav,chat=Hi",
    ],
)
def test_what_is_no_part_is_told(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"none of name, at|takes (seconds|two times)"):
        Part.parse(f"a.wav,{wrong}", 1)


def test_everything_comes_in_its_time(ada: Path) -> None:
    parts = [
        Part.parse(f"{ada},name=Ada,at=1,mute=2-3", 1),
        Part.parse(f"{ada},name=Ben,at=0.5,join=1.25,leave=3", 2),
    ]
    items = list(played(parts, BEGAN_AT))
    times = [at_s for at_s, _ in items]
    assert times == sorted(times)
    acted = [
        (item.participant.name, item.action, item.moment.relative_s) for _, item in items if isinstance(item, Acted)
    ]
    assert acted == [
        ("Ada", ParticipantAction.JOIN, 1.0),
        ("Ben", ParticipantAction.JOIN, 1.25),
        ("Ben", ParticipantAction.LEAVE, 3.0),
        ("Ada", ParticipantAction.LEAVE, pytest.approx(5.05)),
    ]
    heard = [
        (item.participant.name if item.participant else "", round(item.moment.relative_s or 0, 2), len(item.pcm) // 32)
        for _, item in items
        if isinstance(item, Sound)
    ]
    ada_s = [at_s for name, at_s, _ in heard if name == "Ada"]
    assert ada_s == [round(1 + n / 10, 2) for n in (*range(10), *range(20, 41))]
    ben_s = [at_s for name, at_s, _ in heard if name == "Ben"]
    assert (ben_s[0], ben_s[-1]) == (1.3, 2.9)
    assert heard[-1][2] == 50  # the last piece is what is left
    assert all(item.moment.at == BEGAN_AT + (item.moment.relative_s or 0) for _, item in items)


def test_they_write_in_their_time(ada: Path) -> None:
    items = list(played([Part.parse(f"{ada},chat=2:See: this,chat=0.5:Hello", 1)], BEGAN_AT))
    written = [
        (at_s, item.text, item.to)
        for at_s, item in items
        if isinstance(item, Acted) and item.action is ParticipantAction.CHAT_MESSAGE
    ]
    assert written == [(0.5, "Hello", "everyone"), (2.0, "See: this", "everyone")]
    assert [at_s for at_s, _ in items] == sorted(at_s for at_s, _ in items)


def test_who_shows_something_leaves_when_it_is_over(ada: Path) -> None:
    items = list(played([Part.parse(f"{ada},webcam=1-6,screen=2-9", 1)], BEGAN_AT))
    acted = [(at_s, item.action) for at_s, item in items if isinstance(item, Acted)]
    assert acted[-3:] == [
        (6.0, ParticipantAction.WEBCAM_OFF),
        (9.0, ParticipantAction.SCREENSHARE_OFF),
        (9.0, ParticipantAction.LEAVE),
    ]


@pytest.mark.parametrize("form", ["png", "h264"])
def test_cameras_and_screens(ada: Path, form: PictureFormat) -> None:
    items = list(played([Part.parse(f"{ada},webcam=1-2,screen=1.5-3,webcam=3-3.5", 1, form)], BEGAN_AT))
    assert [at_s for at_s, _ in items] == sorted(at_s for at_s, _ in items)
    acted = [(at_s, item.action.value) for at_s, item in items if isinstance(item, Acted)]
    assert acted[1:-1] == [
        (1.0, "webcam_on"),
        (1.5, "screenshare_on"),
        (2.0, "webcam_off"),
        (3.0, "screenshare_off"),
        (3.0, "webcam_on"),
        (3.5, "webcam_off"),
    ]
    webcam = [item for _, item in items if isinstance(item, Picture) and item.surface == "webcam"]
    rate_hz = RATES_HZ[form]
    assert [item.moment.relative_s for item in webcam] == [
        *(pytest.approx(1 + number / rate_hz) for number in range(rate_hz)),
        *(pytest.approx(3 + number / rate_hz) for number in range(rate_hz // 2)),
    ]
    if form == "png":
        assert {size_of(PictureFile.PNG, item.data) for item in webcam} == {(WIDTH, HEIGHT)}
    else:
        assert {7, 8, 5} <= nal_types(webcam[0].data)
        assert nal_types(webcam[1].data) == {1}
