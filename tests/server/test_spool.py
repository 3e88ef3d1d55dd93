"""Events that wait on disk: durable, bounded, stored in order and once, whatever is left of the file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from protocol.errors import StoreUnavailable
from server.spool import Spool, store_left
from server.store.records import NewEvent
from server.store.store import Store
from tests.server.spoken import final, status


@pytest.fixture
async def made(store: Store) -> str:
    return (await store.create_transcript()).id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.events"


async def told(store: Store, transcript_id: str) -> list[object]:
    return [event.body for event in await store.events_after(transcript_id, 0, 1000)]


async def test_what_is_left_is_stored_in_order_once_and_removed(store: Store, made: str, path: Path) -> None:
    spool = Spool(path, max_bytes=1 << 20)
    groups = [[NewEvent.of(made, status(str(number)))] for number in range(3)]
    both = [NewEvent.of(made, final("a", "größer 日本\n")), NewEvent.of(made, final("b"))]
    assert await spool.keep(groups[:1]) == 1
    assert await spool.keep([*groups[1:], both]) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await store.append_events(groups[0])  # that was stored, and the answer lost
    assert await store_left(path, store) == 5
    assert not path.exists()
    assert await told(store, made) == [new.body for group in [*groups, both] for new in group]
    assert await store_left(path, store) == 0


async def test_it_never_grows_beyond_its_bound(made: str, path: Path) -> None:
    spool = Spool(path, max_bytes=1000)
    groups = [[NewEvent.of(made, status("x" * 100))] for _ in range(10)]
    kept = await spool.keep(groups)
    assert 0 < kept < 10
    assert spool.is_full
    assert path.stat().st_size <= 1000
    assert await spool.keep(groups[kept:]) == 0
    await spool.clear()
    assert not path.exists()
    assert await spool.keep(groups[:1]) == 1, "there is room again"


@pytest.mark.parametrize("damage", ["torn", "flipped"])
async def test_what_is_whole_before_a_damaged_end_is_stored(damage: str, store: Store, made: str, path: Path) -> None:
    spool = Spool(path, max_bytes=1 << 20)
    await spool.keep([[NewEvent.of(made, status(str(number)))] for number in range(3)])
    data = bytearray(path.read_bytes())
    if damage == "torn":
        del data[-5:]
    else:
        data[-10] ^= 1
    path.write_bytes(data)
    assert await store_left(path, store) == 2
    assert await told(store, made) == [status("0"), status("1")]


async def test_what_was_half_written_is_written_over(store: Store, made: str, path: Path) -> None:
    spool = Spool(path, max_bytes=1 << 20)
    await spool.keep([[NewEvent.of(made, status("0"))]])
    with path.open("ab") as file:
        file.write(b"0000000")  # by a disk that then was full
    await spool.keep([[NewEvent.of(made, status("1"))]])
    assert await store_left(path, store) == 2
    assert await told(store, made) == [status("0"), status("1")]


async def test_it_stays_where_the_store_is_away(store: Store, made: str, path: Path) -> None:
    await Spool(path, max_bytes=1 << 20).keep([[NewEvent.of(made, status())]])
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store_left(path, store)
    assert path.exists()


async def test_it_stays_where_nobody_can_read_it(store: Store, path: Path) -> None:
    path.symlink_to(path)  # as a disk that fails: there is something, and what, nobody can say
    with pytest.raises(StoreUnavailable, match="ELOOP"):
        await store_left(path, store)
    assert path.is_symlink()


async def test_what_is_gone_or_another_nodes_is_passed_over(store: Store, made: str, path: Path) -> None:
    spool = Spool(path, max_bytes=1 << 20)
    gone = (await store.create_transcript()).id
    await store.destroy_transcript(gone)
    await store.nodes.join("nod_b", url="", keys_digest="")
    await store.nodes.hold(made, "nod_b")
    await spool.keep(
        [
            [NewEvent.of(gone, status())],
            [NewEvent.of(made, status("a's"), holder="nod_a")],
            [NewEvent.of(made, status("b's"), holder="nod_b")],
            [NewEvent.of(made, status("anybody's"))],
        ]
    )
    assert await store_left(path, store) == 4
    assert await told(store, made) == [status("b's"), status("anybody's")]


async def test_a_disk_that_takes_nothing_is_an_error_of_ours(tmp_path: Path, made: str) -> None:
    spool = Spool(tmp_path / "no such folder" / "0.events", max_bytes=1 << 20)
    with pytest.raises(StoreUnavailable):
        await spool.keep([[NewEvent.of(made, status())]])
    assert spool.is_empty
