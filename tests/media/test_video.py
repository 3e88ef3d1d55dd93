from __future__ import annotations

from pathlib import Path

import pytest

from media import video
from media.picture_file import PictureFormat, PictureRecord, append
from media.video import nal_types, write_mp4
from protocol.errors import NotFound
from tests.fakes.pictures import h264, length_s, shown, still

GREYS = [40, 120, 200, 80]


def kept(folder: Path, format_: PictureFormat, *pieces: tuple[float, bytes]) -> Path:
    for at_s, data in pieces:
        append(folder / "pictures", PictureRecord(round(at_s * 1000), format_, data))
    return folder / "pictures"


def made(pictures: Path, end_s: float | None) -> Path:
    film = pictures.with_suffix(".mp4")
    write_mp4(pictures, film, end_s)
    assert [each.name for each in film.parent.iterdir()].count(f"{film.name}.part") == 0
    return film


@pytest.mark.parametrize(
    ("format_", "codec", "size"),
    [
        (PictureFormat.PNG, "png", (64, 36)),
        (PictureFormat.PNG, "png", (63, 35)),
        (PictureFormat.JPEG, "mjpeg", (64, 48)),
    ],
)
def test_each_picture_is_shown_when_it_was(
    tmp_path: Path, format_: PictureFormat, codec: str, size: tuple[int, int]
) -> None:
    times_s = [100.0, 100.5, 107.0, 107.01]
    pieces = [still(grey, width=size[0], height=size[1], codec=codec) for grey in GREYS]
    film = made(kept(tmp_path, format_, *zip(times_s, pieces, strict=True)), 109.25)
    found = shown(str(film))
    assert [at_s for at_s, _ in found] == [pytest.approx(at_s - 100.0, abs=0.001) for at_s in times_s]
    assert [grey for _, grey in found] == [pytest.approx(grey, abs=4) for grey in GREYS]
    assert length_s(str(film)) == pytest.approx(9.25, abs=0.001)


@pytest.mark.parametrize("format_", [PictureFormat.PNG, PictureFormat.H264])
def test_what_two_connections_wrote_is_shown_once(tmp_path: Path, format_: PictureFormat) -> None:
    pieces = h264(GREYS) if format_ is PictureFormat.H264 else [still(grey) for grey in GREYS]
    first, second, third, fourth = zip([1.0, 2.0, 3.0, 4.0], pieces, strict=True)
    film = made(kept(tmp_path, format_, first, second, third, first, second, fourth), 5.0)
    assert [at_s for at_s, _ in shown(str(film))] == [pytest.approx(at_s, abs=0.001) for at_s in (0, 1, 2, 3)]
    assert length_s(str(film)) == pytest.approx(4.0, abs=0.001)


def test_pictures_that_come_while_a_film_is_made_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last_ms = video._last_ms

    def another(records: list[int], end_ms: int | None) -> int:
        kept(tmp_path, PictureFormat.PNG, (3.0, still(200)))
        return last_ms(records, end_ms)

    monkeypatch.setattr(video, "_last_ms", another)
    film = made(kept(tmp_path, PictureFormat.PNG, (1.0, still(40)), (2.0, still(120))), None)
    assert [at_s for at_s, _ in shown(str(film))] == [0.0, 1.0]


def test_a_damaged_picture_leaves_the_one_before(tmp_path: Path) -> None:
    pieces = [(1.0, still(40)), (2.0, still(120)[:60]), (3.0, still(200))]
    film = made(kept(tmp_path, PictureFormat.PNG, *pieces), 4.0)
    assert [at_s for at_s, _ in shown(str(film))] == [0.0, 2.0]
    assert length_s(str(film)) == pytest.approx(3.0, abs=0.001)


def test_a_stream_is_not_encoded_again(tmp_path: Path) -> None:
    pieces = h264(GREYS)
    film = made(kept(tmp_path, PictureFormat.H264, *zip([50.0, 50.04, 50.9, 51.0], pieces, strict=True)), 53.0)
    assert [at_s for at_s, _ in shown(str(film))] == [pytest.approx(at_s, abs=0.001) for at_s in (0, 0.04, 0.9, 1.0)]
    assert length_s(str(film)) == pytest.approx(3.0, abs=0.001)
    data = film.read_bytes()
    slices = [piece[piece.rindex(b"\x00\x00\x01") + 3 :] for piece in pieces]
    assert all(each in data for each in slices)  # the coded pictures, byte for byte
    assert data.index(b"moov") < data.index(b"mdat")  # played before all of it is there


def test_pieces_that_are_cut_anywhere_are_whole_pictures(tmp_path: Path) -> None:
    stream = b"".join(h264(GREYS))
    pieces = [(1.0 + at / 1000, stream[at : at + 97]) for at in range(0, len(stream), 97)]
    film = made(kept(tmp_path, PictureFormat.H264, *pieces), 5.0)
    assert [grey for _, grey in shown(str(film))] == [pytest.approx(grey, abs=4) for grey in GREYS]
    film.unlink()
    (tmp_path / "pictures").unlink()
    film = made(kept(tmp_path, PictureFormat.H264, (1.0, stream)), 5.0)  # all at once
    assert len(shown(str(film))) == len(GREYS)
    assert length_s(str(film)) == pytest.approx(4.0, abs=0.001)


def test_a_stream_begins_with_a_picture_that_needs_none_before(tmp_path: Path) -> None:
    before, after = h264([10, 20, 30]), h264(GREYS)
    pieces = [(1.0 + number / 10, piece) for number, piece in enumerate([*before[1:], *after])]
    assert len(shown(str(made(kept(tmp_path, PictureFormat.H264, *pieces), 2.0)))) == len(GREYS)


def test_without_an_end_the_last_one_is_shown_as_long_as_the_one_before(tmp_path: Path) -> None:
    film = made(kept(tmp_path, PictureFormat.PNG, (1.0, still(40)), (1.5, still(80))), None)
    assert length_s(str(film)) == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        (PictureFormat.PNG, still(40)[:60]),
        (PictureFormat.H264, h264([1, 2])[1]),
        (PictureFormat.H264, b"\x00\x00\x01\x67" + bytes(range(1, 200)) + b"\x00\x00\x01\x65" + bytes(range(1, 250))),
        (PictureFormat.H264, b"\x00" * 1000),
    ],
)
def test_what_cannot_be_shown(tmp_path: Path, format_: PictureFormat, data: bytes) -> None:
    with pytest.raises(NotFound):
        made(kept(tmp_path, format_, (1.0, data)), 2.0)
    assert [each.name for each in tmp_path.iterdir()] == ["pictures"]


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        made(tmp_path / "pictures", 2.0)
    (tmp_path / "pictures").write_bytes(b"cut")
    with pytest.raises(NotFound):
        made(tmp_path / "pictures", 2.0)


def test_what_is_in_a_piece() -> None:
    assert {7, 8, 5} <= nal_types(h264([1])[0])
    assert nal_types(b"") == nal_types(b"\x00\x00\x01") == nal_types(b"no start code") == set()
