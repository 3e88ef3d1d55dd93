from __future__ import annotations

import stat
from pathlib import Path

import pytest

from server.key_file import KEY_BYTES, load_key


def test_a_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    key = load_key(path)
    assert len(key) == KEY_BYTES
    assert load_key(path) == key
    assert load_key(tmp_path / "b.key") != key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("length_bytes", [0, 1, KEY_BYTES - 1])
def test_a_key_cut_short_is_made_anew(tmp_path: Path, length_bytes: int) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(b"k" * length_bytes)
    key = load_key(path)
    assert (len(key), load_key(path)) == (KEY_BYTES, key)
    assert not key.startswith(b"k" * KEY_BYTES)
