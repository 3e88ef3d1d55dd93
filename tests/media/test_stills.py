from __future__ import annotations

import struct

import pytest

from media.picture_file import PictureFormat
from media.stills import decode, size_of
from protocol.errors import AudioFormatError
from tests.fakes.pictures import still

PNG, JPEG = still(90, width=65, height=37), still(90, width=80, height=48, codec="mjpeg")


def test_how_large_a_picture_is() -> None:
    assert size_of(PictureFormat.PNG, PNG) == (65, 37)
    assert size_of(PictureFormat.JPEG, JPEG) == (80, 48)


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        (PictureFormat.PNG, b""),
        (PictureFormat.PNG, PNG[:32]),
        (PictureFormat.PNG, JPEG),
        (PictureFormat.JPEG, PNG),
        (PictureFormat.JPEG, b"\xff\xd8\xff"),
        (PictureFormat.JPEG, b"\xff\xd8" + b"\xff" * 100),
        (PictureFormat.JPEG, b"\xff\xd8\xff\xe0\x00\x00" * 20),
        (PictureFormat.PNG, PNG[:16] + struct.pack(">II", 3841, 10) + PNG[24:]),
        (PictureFormat.PNG, PNG[:16] + struct.pack(">II", 0, 10) + PNG[24:]),
        (PictureFormat.PNG, PNG[:16] + struct.pack(">II", 1 << 31, 1 << 31) + PNG[24:]),
    ],
)
def test_what_is_no_picture_is_refused_by_its_header(format_: PictureFormat, data: bytes) -> None:
    with pytest.raises(AudioFormatError):
        size_of(format_, data)


def test_damaged_pictures_are_none() -> None:
    for format_, data in ((PictureFormat.PNG, PNG), (PictureFormat.JPEG, JPEG)):
        frame = decode(format_, data)
        assert frame is not None
        assert frame.to_ndarray(format="gray").mean() == pytest.approx(90, abs=2)
        assert decode(format_, data[:30]) is None
    assert decode(PictureFormat.PNG, b"") is None
