"""What is left to do in the bucket is found in the database, and done."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path

import pytest

from server.nodes import shipping
from server.nodes.sound_pieces import key_of
from server.store.records import Track
from server.store.store import Store
from tests.fakes.kept_node import of_track, running_node, steps, until_remote
from tests.fakes.s3 import S3Server
from tests.fakes.waiting import until
from tests.media.test_recorder import sound


async def test_what_was_recorded_before_there_was_a_bucket_goes_there(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, None) as node:
        await node.end(track, await node.record(track, steps(3)))
        old = await sound_store.create_track(track.transcript_id, source="stream", started_at=2.0, state="finished")
        node.path(old).write_bytes(node.path(track).read_bytes())  # as an older version left it
    async with running_node(tmp_path / "a", sound_store, bucket):
        await until_remote(sound_store, track)
        await until_remote(sound_store, old)
    async with running_node(tmp_path / "b", sound_store, bucket) as other:
        assert await other.heard(track) == await other.heard(old) == sound(0, 4800).pcm


async def test_sound_that_is_deleted_while_the_bucket_is_away_is_removed_from_it_later(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        await node.end(track, await node.record(track, steps(3)))
        await sound_store.remove_audio(track.transcript_id)
        bucket.faults_of["GET"] = deque([503] * 3)
        bucket.faults_of["POST"] = deque([503] * 3)
        await node.sound.remove(track.transcript_id)
        assert of_track(bucket, track)
        bucket.faults_of.clear()
    async with running_node(tmp_path / "b", sound_store, bucket):
        await until(lambda: not of_track(bucket, track))
    assert [path for path, _ in await sound_store.kept.gone("", limit=10)] == [
        track.transcript_id
    ]  # and is looked for again


async def test_a_stray_piece_of_deleted_sound_is_removed_an_hour_later(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        leftovers = node.sound._leftovers
        await leftovers.stop()
        await sound_store.destroy_transcript(track.transcript_id)
        await node.sound.remove(track.transcript_id)
        await node.blobs.put(key_of(track.path, 0, 1), b"from who did not hear of it")
        leftovers._clock = lambda: time.time() + 3700
        assert await leftovers.remove() == 1
        assert dict(bucket.objects) == {}
        assert await sound_store.kept.gone("", limit=10) == []


async def test_a_piece_that_arrives_late_takes_nothing_back(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "END_S", 0.05)
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        leftovers = node.sound._leftovers
        await leftovers.stop()
        recorder = await node.sound.open(track)
        bucket.held.add("PUT")
        recorder.append(sound(0, 1600))
        await recorder.flush()
        await until(lambda: any(method == "PUT" for method, _, _ in bucket.requests))
        recorder.append(sound(1600, 3200))
        await node.end(track, recorder)  # the first piece is still on its way
        bucket.held.clear()
        assert await leftovers.sound.send() == 1
        first_put = next(iter(node.sound._shipping._puts))
        bucket.let_go.set()
        await asyncio.wait([first_put])
        async with running_node(tmp_path / "b", sound_store, bucket) as other:
            assert await other.heard(track) == sound(0, 4800).pcm


async def test_sound_that_is_sent_after_it_was_deleted_is_taken_back(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, None) as node:
        await node.end(track, await node.record(track, steps(3)))
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        await node.sound._leftovers.stop()
        for key in list(bucket.objects):
            del bucket.objects[key]
        found = await sound_store.get_track(track.id)
        await sound_store.remove_audio(track.transcript_id)  # by another node, behind the back of this one
        await node.sound._leftovers.sound.send_one(found)
        assert dict(bucket.objects) == {}
