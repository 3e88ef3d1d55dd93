"""Pictures of meetings on their way to the bucket: had at other nodes, also when the one that recorded them is gone."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from pathlib import Path

import pytest

from media import picture_file
from protocol.errors import Conflict, NotFound, StoreUnavailable
from server.bots.video_parts import VideoParts, pictures_path
from server.nodes import picture_tails as tails_module
from server.nodes import shipping as shipping_module
from server.nodes.sound_pieces import folder_of
from server.store.meeting_part_store import MeetingPart
from server.store.store import Store
from tests.fakes.kept_node import KeptNode, running_node
from tests.fakes.pictures import still
from tests.fakes.s3 import S3Server
from tests.fakes.waiting import until
from tests.server.bots.meetings import BEN
from tests.server.bots.test_video_parts import picture


@pytest.fixture
async def meeting(sound_store: Store) -> str:
    return (await sound_store.create_transcript(name="is shown")).id


def video(node: KeptNode, meeting: str) -> VideoParts:
    """Of one connection."""
    return VideoParts(node.settings, node.store.meeting_parts, node.sound.pictures, meeting)


async def show(parts: VideoParts, *times_s: float) -> None:
    for at_s in times_s:
        await parts.take(picture(at_s, still(round(10 * at_s))), at_s)


async def stored(store: Store, meeting: str, count: int = 1) -> list[MeetingPart]:
    """As soon as there are so many."""

    async def there() -> bool:
        return len(await store.meeting_parts.of_transcript(meeting)) >= count

    await until(there)
    return await store.meeting_parts.of_transcript(meeting)


def in_bucket(s3: S3Server, part: MeetingPart) -> bytes:
    below = f"of/earshot/{folder_of(part.path)}/"
    return b"".join(data for key, data in sorted(s3.objects.items()) if key.startswith(below))


async def until_sent(node: KeptNode, s3: S3Server, part: MeetingPart) -> None:
    path = pictures_path(node.settings, part)
    await until(lambda: in_bucket(s3, part) == path.read_bytes())


async def shown_at(node: KeptNode, part: MeetingPart) -> list[int]:
    """When its pictures came, as a reader of this node sees them."""
    await node.sound.pictures.fetch(await node.store.meeting_parts.get(part.id))
    return [record.at_ms for record in picture_file.read(pictures_path(node.settings, part))]


async def test_what_a_killed_node_had_comes_when_it_starts_again(
    tmp_path: Path, sound_store: Store, meeting: str, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as first:
        await sound_store.nodes.hold(meeting, first.node_id)
        parts = video(first, meeting)
        await show(parts, 1.0, 1.5)
        [part] = await stored(sound_store, meeting)
        await until_sent(first, bucket, part)
        await first.sound.pictures.stop()  # from here on nothing of it arrives
        await show(parts, 2.0)
        async with running_node(tmp_path / "a", sound_store, bucket) as neighbour:  # another process of its folder
            assert await neighbour.sound._leftovers.pictures.send() == 0, "it still grows"
    async with running_node(tmp_path / "b", sound_store, bucket) as second:
        await sound_store.nodes.hold(meeting, second.node_id)
        assert await shown_at(second, part) == [1000, 1500]
        assert await second.sound.pictures.last_ms(part) == 1500
        went_on = video(second, meeting)
        await show(went_on, 2.2)  # which is no more of that one: its file is a copy here
        await went_on.close(is_over=True)
        [_, another] = await stored(sound_store, meeting, 2)
        assert (another.kept_by, another.start_s) == (second.node_id, 2.2)
        async with running_node(tmp_path / "a", sound_store, bucket) as again:
            await until_sent(again, bucket, part)
            assert await shown_at(again, another) == [2200]
        assert await shown_at(second, part) == [1000, 1500, 2000]
        assert (await sound_store.meeting_parts.get(part.id)).is_whole


@pytest.mark.parametrize("is_sending", [False, True], ids=["sent", "being sent"])
async def test_what_comes_while_another_process_of_the_folder_sends_it_as_whole_comes_to_the_bucket_too(
    tmp_path: Path, sound_store: Store, meeting: str, bucket: S3Server, is_sending: bool
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as first:
        await sound_store.nodes.hold(meeting, first.node_id)
        parts = video(first, meeting)
        await show(parts, 1.0, 1.5)
        [part] = await stored(sound_store, meeting)
        await until_sent(first, bucket, part)
        await first.sound.pictures.stop()
        await show(parts, 2.0)
        await sound_store.nodes.leave(first.node_id)  # as others find after it stood still
        async with running_node(tmp_path / "a", sound_store, bucket) as neighbour:
            await neighbour.sound._leftovers.stop()
            left, rows = neighbour.sound._leftovers.pictures, sound_store.kept.pictures
            turn = await rows.next_turn(part.id, 1) if is_sending else None
            if not is_sending:
                assert await left.send() == 1
                assert (await sound_store.meeting_parts.get(part.id)).is_whole
            await show(parts, 2.5)
            await parts.close(is_over=False)
            if turn is not None:
                await rows.arrived(part.id, turn)
            assert not (await sound_store.meeting_parts.get(part.id)).is_whole
            assert await left.send() == 1
            assert (await sound_store.meeting_parts.get(part.id)).is_whole
            assert await left.send() == 0
    async with running_node(tmp_path / "b", sound_store, bucket) as other:
        assert await shown_at(other, part) == [1000, 1500, 2000, 2500]


async def test_a_bucket_that_is_away_holds_up_nothing_and_has_all_of_it_when_it_is_back(
    tmp_path: Path, sound_store: Store, meeting: str, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping_module, "END_S", 0.05)
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        await sound_store.nodes.hold(meeting, node.node_id)
        away = bucket.faults_of["PUT"] = deque([503] * 10_000)
        parts = video(node, meeting)
        await show(parts, 1.0, 1.5)
        await until(lambda: len(away) < 9_990)
        await show(parts, 2.0)
        [part] = await stored(sound_store, meeting)
        assert in_bucket(bucket, part) == b""
        async with running_node(tmp_path / "early", sound_store, bucket) as other:
            with pytest.raises(StoreUnavailable, match="ask again"):
                await other.sound.pictures.fetch(part)
        bucket.faults_of.clear()
        await until_sent(node, bucket, part)
        bucket.faults_of["PUT"] = deque([503] * 10_000)
        await show(parts, 2.5)
        await parts.close(is_over=False)  # a connection that is lost meanwhile,
        await parts.sent()
        again = video(node, meeting)
        await show(again, 3.0)  # and comes back
        bucket.faults_of.clear()
        await until_sent(node, bucket, part)
        bucket.faults_of["PUT"] = deque([503] * 10_000)
        await show(again, 3.5)
        await again.close(is_over=True)
        await again.sent()
        bucket.faults_of.clear()
        await sound_store.nodes.let_go(meeting, node.node_id)
        await node.sound._leftovers.pictures.send()
        await until_sent(node, bucket, part)
    async with running_node(tmp_path / "b", sound_store, bucket) as other:
        assert await shown_at(other, part) == [1000, 1500, 2000, 2500, 3000, 3500]
        before = len(bucket.requests)
        assert len(await shown_at(other, part)) == 6
        assert len(bucket.requests) == before, "what is whole is not asked for again"


async def test_the_end_of_a_part_goes_at_once(
    tmp_path: Path, sound_store: Store, meeting: str, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket, interval_s=3600) as node:
        parts = video(node, meeting)
        await show(parts, 1.0)
        await show(parts, 20.0)  # of another one: nothing came for too long
        [first, second] = await stored(sound_store, meeting, 2)
        await until_sent(node, bucket, first)
        assert in_bucket(bucket, second) == b""
        assert not node.sound.pictures.is_going(first.path)
        assert await node.sound._leftovers.pictures.send() == 0, "the other one is on its way"
        await parts.close(is_over=True)
        await parts.sent()
        assert in_bucket(bucket, second) == pictures_path(node.settings, second).read_bytes()


async def test_pictures_that_are_deleted_leave_the_bucket_and_are_had_nowhere(
    tmp_path: Path, sound_store: Store, meeting: str, bucket: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", sound_store, bucket) as first,
        running_node(tmp_path / "b", sound_store, bucket) as second,
    ):
        parts = video(first, meeting)
        await show(parts, 1.0)
        [part] = await stored(sound_store, meeting)
        await until_sent(first, bucket, part)
        await sound_store.remove_audio(meeting)
        away = {method: deque([503] * 3) for method in ("GET", "POST")}
        bucket.faults_of.update(away)
        await first.sound.remove(meeting)
        bucket.faults_of.clear()
        assert in_bucket(bucket, part)
        with pytest.raises(NotFound):
            await shown_at(second, part)
        await first.sound._leftovers.remove()
        await show(parts, 1.5)  # what still comes goes nowhere
        with pytest.raises(Conflict):
            await video(first, meeting).take(picture(2.0, who=BEN), 2.0)
        await parts.close(is_over=True)
        await parts.sent()
        assert dict(bucket.objects) == {}
        assert await first.sound._leftovers.pictures.send() == 0


async def test_copies_that_nobody_asks_for_are_deleted_with_their_films(
    tmp_path: Path, sound_store: Store, meeting: str, bucket: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", sound_store, bucket) as first,
        running_node(tmp_path / "b", sound_store, bucket) as second,
    ):
        parts = video(first, meeting)
        await show(parts, 1.0, 1.5)
        [part] = await stored(sound_store, meeting)
        await until_sent(first, bucket, part)
        assert await shown_at(second, part) == [1000, 1500]
        copy = pictures_path(second.settings, part)
        film = copy.with_suffix(".mp4")
        film.write_bytes(b"made of it")
        assert await second.sound.delete_unused() == 0
        os.utime(tmp_path / "b" / "copies-of-pictures" / part.id, (1, 1))
        assert await second.sound.delete_unused() == 1
        assert [each for each in (copy, film) if each.exists()] == []
        assert await shown_at(second, part) == [1000, 1500]
        await parts.close(is_over=True)
        await parts.sent()


async def test_where_a_part_ends_that_nobody_ended_is_read_from_its_last_pieces(
    tmp_path: Path, sound_store: Store, meeting: str, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping_module, "PIECE_BYTES", 60)  # pictures are cut anywhere
    monkeypatch.setattr(tails_module, "FRESH_S", 0.0)
    async with running_node(tmp_path / "a", sound_store, bucket) as first:
        await sound_store.nodes.hold(meeting, first.node_id)
        parts = video(first, meeting)
        await show(parts, *(1.0 + number / 10 for number in range(10)))
        [part] = await stored(sound_store, meeting)
        await until_sent(first, bucket, part)
        async with running_node(tmp_path / "b", sound_store, bucket) as second:
            last_ms = second.sound.pictures.last_ms
            before = len(bucket.requests)
            assert await last_ms(part) == 1900
            got = [key for method, key, _ in bucket.requests[before:] if method == "GET" and key]
            record_bytes = pictures_path(first.settings, part).stat().st_size / 10
            assert 0 < len(got) <= record_bytes / 60 + 2
            assert not pictures_path(second.settings, part).exists()
            before = len(bucket.requests)
            await asyncio.gather(last_ms(part), last_ms(part))
            assert all(key == "" for _, key, _ in bucket.requests[before:]), "it has not grown"
            await show(parts, 2.5)
            await until_sent(first, bucket, part)
            assert await last_ms(part) == 2500
            last_key = max(key for key in bucket.objects if part.id in key)
            del bucket.objects[last_key]  # as if it had not arrived
            assert await last_ms(part) == 1900
        await parts.close(is_over=True)
        await parts.sent()
