from __future__ import annotations

from pathlib import Path

from server.nodes.folder_id import folder_id


def test_a_folder_is_the_same_each_time_and_no_other(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    found = [folder_id(folder) for folder in folders]
    assert len(set(found)) == 2
    assert [folder_id(folder) for folder in folders] == found
    assert all(len(each) == 32 for each in found)  # a column of 36 takes it
