"""Fonts are found where they lie, and none is no error."""

from __future__ import annotations

from pathlib import Path

from server.reports.fonts import Fonts, find_fonts


def laid(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_the_best_face_is_taken_and_the_others_are_for_what_it_lacks(tmp_path: Path) -> None:
    noto = laid(tmp_path / "a" / "noto", "NotoSans-Regular.ttf", "NotoSansHebrew-Regular.ttf", "unknown.ttf")
    assert find_fonts([tmp_path / "a"]) == Fonts(
        noto / "NotoSans-Regular.ttf", None, (noto / "NotoSansHebrew-Regular.ttf",)
    )
    dejavu = laid(tmp_path / "b", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    both = find_fonts([tmp_path / "nowhere", tmp_path / "a", tmp_path / "b"])
    assert (both.plain, both.bold) == (dejavu / "DejaVuSans.ttf", dejavu / "DejaVuSans-Bold.ttf")
    assert [path.name for path in both.others] == ["NotoSans-Regular.ttf", "NotoSansHebrew-Regular.ttf"]


def test_where_there_are_none_there_are_none(tmp_path: Path) -> None:
    assert find_fonts([tmp_path]) == Fonts()
