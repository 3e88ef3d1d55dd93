"""Whether a node can store: found by trying, not at every question, and said so that somebody can mend it."""

from __future__ import annotations

import asyncio
import errno
import io
import os
from pathlib import Path

import pytest

from protocol.errors import StoreUnavailable
from server import storing
from server.store.store import Store
from server.storing import AGAIN_S, STUCK_S, Storing, low_disk


class Tried:
    """A store whose check does as it is told, and a clock that is set."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
        self.now_s = 100.0
        self.tries = 0
        self.down = False
        self.answers = asyncio.Event()
        self.answers.set()
        monkeypatch.setattr(store, "check", self._check)
        self.storing = Storing(store, tmp_path, clock=lambda: self.now_s)

    async def _check(self) -> None:
        self.tries += 1
        await self.answers.wait()
        if self.down:
            raise StoreUnavailable("down")


@pytest.fixture
async def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Tried:
    store = await Store.open(sqlite_url)
    await store.close()
    return Tried(tmp_path, monkeypatch, store)


async def test_it_is_tried_again_after_a_while_and_found_well(tried: Tried) -> None:
    tried.down = True
    assert "database" in await tried.storing.problem()
    tried.down = False
    assert "database" in await tried.storing.problem()
    assert tried.tries == 1
    tried.now_s += AGAIN_S
    assert await tried.storing.problem() == ""
    assert tried.tries == 2


async def test_a_full_disk_is_no_place_to_store_whatever_the_database_says(
    tried: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert await tried.storing.problem() == ""
    assert [each.name for each in tmp_path.iterdir() if "earshot.db" not in each.name] == []
    tried.now_s += AGAIN_S
    monkeypatch.setattr(storing, "_write_piece", full)
    assert "No space left on device" in await tried.storing.problem()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
def test_a_piece_is_really_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: io.FileIO("/dev/full", "w"))
    with pytest.raises(OSError, match="No space left"):
        storing._write_piece(Path())


async def test_a_busy_store_is_no_fault_and_one_that_never_answers_is(
    tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "PATIENCE_S", 0.01)
    tried.answers.clear()
    assert await tried.storing.problem() == ""
    tried.now_s += STUCK_S
    assert "does not answer" in await tried.storing.problem()
    assert tried.tries == 1
    await tried.storing.stop()
    await tried.storing.stop()


def test_below_the_reserve_it_is_said_what_to_do() -> None:
    assert low_disk(200, 200) == ""
    assert "disk_reserve_mb" in low_disk(199, 200)
