"""Writing into the folder of blobs, when others are at it as well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.errors import Conflict
from server.blob_folder import MOVES_MAX, PARTIAL, move_into, pieces_of, put_into, remove_partial


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_is_being_written_cannot_be_read_by_its_key(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"new "
        [partial] = files_in(tmp_path)[:1]
        assert partial.startswith(PARTIAL)
        assert (tmp_path / "r/x").read_bytes() == b"before"
        yield b"and whole"

    put_into(tmp_path, "r/x", [b"before"])
    put_into(tmp_path, "r/x", pieces())
    assert (tmp_path / "r/x").read_bytes() == b"new and whole"
    assert files_in(tmp_path) == ["r/x"]


def test_what_breaks_off_leaves_what_was_before(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise OSError("unplugged")

    put_into(tmp_path, "r/x", [b"before"])
    with pytest.raises(OSError, match="unplugged"):
        put_into(tmp_path, "r/x", pieces())
    assert (tmp_path / "r/x").read_bytes() == b"before"
    assert files_in(tmp_path) == ["r/x"]


@pytest.mark.parametrize("key", ["a", "a/b/c", "a/b/c/d"])
def test_what_cannot_be_moved_stays_where_it_is(tmp_path: Path, key: str) -> None:
    folder, file = tmp_path / "blobs", tmp_path / "file"
    folder.mkdir()
    put_into(folder, "a/b", [b"x"])
    file.write_bytes(b"y")
    with pytest.raises(Conflict):
        move_into(folder, key, file)
    assert file.read_bytes() == b"y"
    assert files_in(folder) == ["a/b"]


def test_a_file_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        move_into(tmp_path, "a/b", tmp_path / "none")


def test_folders_that_others_delete_meanwhile_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, file = tmp_path / "blobs", tmp_path / "file"
    folder.mkdir()
    file.write_bytes(b"x")
    replace = Path.replace
    deleted: list[Path] = []

    def after_somebody_deleted(path: Path, target: Path) -> Path:
        if path == file and len(deleted) < MOVES_MAX - 1:
            target.parent.rmdir()
            deleted.append(target.parent)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", after_somebody_deleted)
    move_into(folder, "r/1/x", file)
    assert (folder / "r/1/x").read_bytes() == b"x"
    assert len(deleted) == MOVES_MAX - 1


def test_two_that_put_the_same_leave_one_of_them_whole(tmp_path: Path) -> None:
    bodies = [bytes([at]) * 100_000 for at in range(4)]
    threads = [threading.Thread(target=put_into, args=(tmp_path, "r/x", [body] * 3)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "r/x").read_bytes() in [body * 3 for body in bodies]
    assert files_in(tmp_path) == ["r/x"]


def test_what_a_crash_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    put_into(tmp_path, "r/x", [b"x"])
    (tmp_path / f"{PARTIAL}abc").write_bytes(b"half")
    remove_partial(tmp_path)
    assert files_in(tmp_path) == ["r/x"]


def test_a_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.blob_folder.PIECE_BYTES", 4)
    (tmp_path / "file").write_bytes(b"0123456789")
    assert list(pieces_of(tmp_path / "file")) == [b"0123", b"4567", b"89"]
