"""Sound of another node here: made of its pieces, followed while it grows, and deleted when nobody asks for it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from pathlib import Path

import pytest

from protocol.errors import StoreUnavailable
from server.nodes.sound_pieces import key_of
from server.store.records import Track
from server.store.store import Store
from tests.fakes.kept_node import KeptNode, running_node, steps
from tests.fakes.node import DEADLINE_S
from tests.fakes.s3 import S3Server
from tests.fakes.waiting import until
from tests.media.test_recorder import sound


async def test_a_reader_follows_a_track_that_grows_elsewhere(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", sound_store, bucket) as speaker,
        running_node(tmp_path / "b", sound_store, bucket) as reader,
    ):
        recorder = await speaker.record(track, steps(3))
        assert await reader.heard(track) == sound(0, 4800).pcm
        inode = reader.path(track).stat().st_ino
        for block in steps(10, start=4800):
            recorder.append(block)
        await recorder.wait_durable(20_800)
        before = len(bucket.requests)
        assert await reader.heard(track) == sound(0, 20_800).pcm
        got = [key for method, key, _ in bucket.requests[before:] if method == "GET" and key]
        assert got
        assert not any(key_of(track.path, 0, 0)[:-10] in key for key in got)
        assert reader.path(track).stat().st_ino == inode, "only what is new was fetched"
        await speaker.end(track, recorder)
        assert await sound_store.kept.arrived(
            track.id, (await sound_store.get_track(track.id)).kept_turn
        )  # as a round says
        await reader.heard(track)
        before = len(bucket.requests)
        assert await reader.heard(track) == sound(0, 20_800).pcm
        assert len(bucket.requests) == before, "what is whole is not asked for again"


async def test_copies_that_nobody_asks_for_are_deleted_and_come_again(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", sound_store, bucket) as speaker,
        running_node(tmp_path / "b", sound_store, bucket) as reader,
    ):
        await speaker.end(track, await speaker.record(track, steps(3)))
        assert await reader.heard(track) == sound(0, 4800).pcm
        path = reader.path(track)
        path.with_suffix(".mp3").write_bytes(b"made of it")
        assert await reader.sound.delete_unused() == 0
        assert path.exists()
        mark = tmp_path / "b" / "copies" / track.id
        os.utime(mark, (1, 1))
        assert await reader.sound.delete_unused() == 1
        assert [each for each in (path, path.with_suffix(".mp3"), mark) if each.exists()] == []
        assert await reader.heard(track) == sound(0, 4800).pcm
        # One that went on here is no copy any more.
        os.utime(mark, (1, 1))
        recorder = await reader.sound.open(track)
        await recorder.close()
        mark.write_text(track.path)  # as a crash in between leaves it
        os.utime(mark, (1, 1))
        assert await reader.sound.delete_unused() == 0
        assert path.exists()
        assert await speaker.sound.delete_unused() == 0


async def test_two_processes_of_one_folder_do_not_disturb_each_other(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    """Both make a copy, and one of them goes on with it while the other still does."""
    async with (
        running_node(tmp_path / "a", sound_store, bucket) as speaker,
        running_node(tmp_path / "b", sound_store, bucket) as one,
        running_node(tmp_path / "b", sound_store, bucket) as two,
    ):
        await (await speaker.record(track, steps(30))).close()
        assert set(await asyncio.gather(one.heard(track), two.heard(track))) == {sound(0, 48_000).pcm}
        one.path(track).unlink()
        bucket.held.add("GET")
        reading = asyncio.create_task(two.heard(track))
        await until(lambda: bucket.requests[-1][0] == "GET" and bucket.requests[-1][1] == "")
        opening = asyncio.create_task(one.sound.open(track))
        bucket.held.clear()
        bucket.let_go.set()
        recorder = await opening
        assert await reading == sound(0, 48_000).pcm
        recorder.append(sound(48_000, 1600))
        await recorder.wait_durable(49_600)
        assert await two.heard(track) == await one.heard(track) == sound(0, 49_600).pcm
        await recorder.close()
        assert await speaker.heard(track) == sound(0, 49_600).pcm


async def test_only_one_process_of_a_folder_is_alone_with_a_track_whose_mark_is_deleted(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with (
        running_node(tmp_path / "b", sound_store, bucket) as one,
        running_node(tmp_path / "b", sound_store, bucket) as two,
        running_node(tmp_path / "b", sound_store, bucket) as three,
    ):
        inside = most = 0

        async def alone(node: KeptNode) -> None:
            nonlocal inside, most
            copies = node.sound._copies
            for _ in range(5):
                async with copies.alone(track.id, track.path):
                    inside += 1
                    most = max(most, inside)
                    await asyncio.sleep(0.06)  # the others look meanwhile, and wait
                    inside -= 1
                    await copies.forget(track.id)

        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*map(alone, (one, two, three)))
        assert most == 1


async def test_who_is_cancelled_before_it_is_alone_leaves_the_track_to_others(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_node(tmp_path / "b", sound_store, bucket) as node:
        copies = node.sound._copies
        begins, goes_on = asyncio.Event(), threading.Event()
        loop, marked = asyncio.get_running_loop(), copies._marked

        def slowly(track_id: str, path: str) -> int | None:
            loop.call_soon_threadsafe(begins.set)
            goes_on.wait(DEADLINE_S)
            return marked(track_id, path)

        with monkeypatch.context() as patched:
            patched.setattr(copies, "_marked", slowly)
            going = asyncio.ensure_future(copies.alone(track.id, track.path).__aenter__())
            await begins.wait()
            going.cancel()
            await asyncio.wait([going])
        goes_on.set()
        async with asyncio.timeout(DEADLINE_S), copies.alone(track.id, track.path):
            pass
        mark = tmp_path / "b" / "copies" / track.id
        await until(lambda: str(mark) not in [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()])


async def test_a_bucket_that_fails_while_a_copy_is_made_leaves_none(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", sound_store, bucket) as speaker,
        running_node(tmp_path / "b", sound_store, bucket) as reader,
    ):
        recorder = await speaker.record(track, steps(3))
        bucket.faults_of["GET"] = deque([500])
        with pytest.raises(StoreUnavailable):
            await reader.heard(track)
        bucket.cut.update(bucket.objects)
        with pytest.raises(StoreUnavailable):
            await reader.heard(track)
        bucket.cut.clear()
        assert [each for each in reader.path(track).parent.glob("**/*") if each.is_file()] == []
        assert await reader.heard(track) == sound(0, 4800).pcm
        await recorder.close()
