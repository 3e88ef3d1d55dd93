from __future__ import annotations

from media.drawn import SWEEP_S, Drawing, drawn, png
from media.picture_file import PictureFormat
from media.stills import decode


def test_pictures_tell_whose_they_are_and_when() -> None:
    assert (drawn(1, 0.0) != drawn(2, 0.0)).any()
    assert (drawn(1, 0.0) != drawn(1, SWEEP_S / 2)).any()
    assert (drawn(1, 0.0) == drawn(1, SWEEP_S)).all()


def test_they_are_png() -> None:
    frame = decode(PictureFormat.PNG, Drawing(PictureFormat.PNG, 3, 2).at(4.0))
    assert frame is not None
    assert (frame.to_ndarray(format="rgb24") == drawn(3, 4.0)).all()
    assert png(drawn(3, 4.0)) == png(drawn(3, 4.0))
