"""Sound on its way to the bucket: what is durable, while the bucket is there, away, and back."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from pathlib import Path

import pytest

from server.nodes import shipping as shipping_module
from server.store.records import Track
from server.store.store import Store
from tests.fakes.kept_node import of_track, running_node, steps, until_remote
from tests.fakes.node import DEADLINE_S
from tests.fakes.s3 import S3Server
from tests.fakes.waiting import until
from tests.media.test_recorder import sound


async def test_what_is_durable_is_in_the_bucket(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        recorder = await node.sound.open(track)
        told: list[int] = []
        recorder.on_durable(told.append)
        at = 0
        for block in steps(20):
            recorder.append(block)
            await recorder.wait_durable(block.end_samples)
            in_bucket = b"".join(data for _, data in sorted(of_track(bucket, track).items()))
            assert in_bucket == node.path(track).read_bytes()
            assert told[-1] == block.end_samples > at
            at = block.end_samples
        assert len(of_track(bucket, track)) == 20
        await recorder.close()


async def test_nothing_is_durable_while_the_bucket_is_away_and_all_is_when_it_is_back(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        recorder = await node.record(track, steps(2))
        bucket.faults_of["PUT"] = deque([503] * 10_000)
        for block in steps(30, start=3200):
            recorder.append(block)
        await recorder.flush()
        await until(lambda: len(bucket.faults_of["PUT"]) < 9_990)
        assert recorder.durable_samples == 3200
        bucket.faults_of.clear()
        async with asyncio.timeout(DEADLINE_S):
            await recorder.wait_durable(51_200)
        assert b"".join(data for _, data in sorted(of_track(bucket, track).items())) == node.path(track).read_bytes()
        await recorder.close()


async def test_the_end_of_a_track_does_not_wait_for_a_bucket_that_is_away_and_the_rest_goes_later(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping_module, "END_S", 0.1)
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        recorder = await node.record(track, steps(2))
        bucket.faults_of["PUT"] = deque([503] * 10_000)
        recorder.append(sound(3200, 1600))
        await node.end(track, recorder)
    bucket.faults_of.clear()
    assert not (await sound_store.get_track(track.id)).is_remote
    async with running_node(tmp_path / "a", sound_store, bucket) as node:  # after a restart it is found in the database
        await until_remote(sound_store, track)
    async with running_node(tmp_path / "b", sound_store, bucket) as other:
        assert await other.heard(track) == sound(0, 4800).pcm


async def test_one_goes_on_where_a_crash_cut_its_own_file(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    """What was in the bucket and is not in the file any longer is not of the track any longer."""
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        await (await node.record(track, steps(3))).close()
        path = node.path(track)
    os.truncate(path, path.stat().st_size - 5)
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        recorder = await node.sound.open(track)
        assert recorder.length_samples < 4800
        again = recorder.length_samples
        for block in steps(2, start=again):
            recorder.append(block)
        await recorder.wait_durable(again + 3200)
        await recorder.close()
        written = path.read_bytes()
    async with running_node(tmp_path / "b", sound_store, bucket) as reader:
        assert await reader.heard(track) == sound(0, again + 3200).pcm
        assert reader.path(track).read_bytes() == written


async def test_many_tracks_go_a_few_at_a_time_and_all_of_them_arrive(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    tracks = [
        await sound_store.create_track(track.transcript_id, source="stream", started_at=1.0)
        for _ in range(3 * shipping_module.AT_ONCE)
    ]
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        recorders = [await node.sound.open(each) for each in tracks]
        bucket.held.add("PUT")
        for recorder in recorders:
            recorder.append(sound(0, 1600))
        await until(lambda: len(bucket.requests) >= shipping_module.AT_ONCE)
        await recorders[0].flush()
        assert len(bucket.requests) == shipping_module.AT_ONCE
        bucket.held.clear()
        bucket.let_go.set()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(each.wait_durable(1600) for each in recorders))
        for recorder in recorders:
            await recorder.close()
        assert all(of_track(bucket, each) for each in tracks)
