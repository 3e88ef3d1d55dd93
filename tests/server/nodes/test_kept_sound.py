"""Sound that moves: recorded on one node, gone on with and heard on others, which share a database and a bucket."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from media.decode import DecodeLimits, decode_file
from media.recorder import DiskWriter, Recording, TrackRecorder
from protocol.blocks import Block
from protocol.errors import StoreUnavailable
from server import blobs as blobs_module
from server.blobs import Blobs
from server.nodes import copies as copies_module
from server.nodes import shipping as shipping_module
from server.nodes.kept_sound import KeptSound
from server.nodes.sound_pieces import folder_of, key_of
from server.store.records import Track
from server.store.store import Store
from tests.fakes.node import DEADLINE_S, node_settings
from tests.fakes.s3 import BUCKET, S3Server
from tests.media.opus_sound import opus_blocks, sweep_packets
from tests.media.test_recorder import heard, sound
from tests.server.databases import lay_sqlite_file

LIMITS = DecodeLimits(bytes_max=1 << 26, duration_max_s=600)
PACKETS = sweep_packets(2.0)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """One that is asked once each time, and again soon."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    monkeypatch.setattr(shipping_module, "RETRY_S", 0.02)
    monkeypatch.setattr(shipping_module, "LOOK_S", 0.01)
    monkeypatch.setattr(copies_module, "FRESH_S", 0.0)
    with S3Server() as running:
        yield running


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    lay_sqlite_file(tmp_path / "earshot.db")
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'earshot.db'}")
    yield opened
    await opened.close()


@pytest.fixture
async def track(store: Store) -> Track:
    transcript = await store.create_transcript(name="moves")
    return await store.create_track(transcript.id, source="stream", started_at=1.0)


@dataclass
class Node:
    """The part of one that keeps sound."""

    sound: KeptSound
    blobs: Blobs
    store: Store

    def path(self, track: Track) -> Path:
        return self.sound.recordings.path_of(track)

    async def record(self, track: Track, blocks: list[Block]) -> TrackRecorder:
        """Until all of it is durable."""
        recorder = await self.sound.open(track)
        for block in blocks:
            recorder.append(block)
        async with asyncio.timeout(DEADLINE_S):
            await recorder.wait_durable(blocks[-1].end_samples)
        return recorder

    async def heard(self, track: Track) -> bytes:
        """As a reader of this node hears it."""
        await self.sound.fetch(await self.store.get_track(track.id))
        return await asyncio.to_thread(heard, self.path(track))

    async def end(self, track: Track, recorder: TrackRecorder) -> Track:
        await recorder.close()
        return await self.store.update_track(track.id, state="finished", length_samples=recorder.length_samples)


@asynccontextmanager
async def running_node(
    data_dir: Path, store: Store, s3: S3Server | None, *, interval_s: float = 0.02
) -> AsyncIterator[Node]:
    settings = node_settings(data_dir).model_copy(update={"record_remote_interval_s": interval_s})
    settings.recordings_dir.mkdir(parents=True, exist_ok=True)
    place = data_dir / "blobs" if s3 is None else f"s3://{BUCKET}/of/earshot"
    blobs = await Blobs.open(place, None if s3 is None else s3.options())
    disk = DiskWriter(write_interval_s=0.005, sync_interval_s=0.02)
    disk.start()
    kept = await KeptSound.start(settings, store, disk, blobs)
    try:
        yield Node(kept, blobs, store)
    finally:
        await kept.stop()
        await disk.stop()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - the bucket tells nobody
            await asyncio.sleep(0.01)


async def until_remote(store: Store, track: Track) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not (await store.get_track(track.id)).is_remote:  # noqa: ASYNC110 - a round ends by itself
            await asyncio.sleep(0.01)


def of_track(s3: S3Server, track: Track) -> dict[str, bytes]:
    below = f"of/earshot/{folder_of(track.path)}/"
    return {key.removeprefix(below): data for key, data in s3.objects.items() if key.startswith(below)}


def steps(count: int, *, start: int = 0, length: int = 1600) -> list[Block]:
    return [sound(start + at * length, length) for at in range(count)]


async def test_what_is_durable_is_in_the_bucket(tmp_path: Path, store: Store, track: Track, s3: S3Server) -> None:
    async with running_node(tmp_path / "a", store, s3) as node:
        recorder = await node.sound.open(track)
        told: list[int] = []
        recorder.on_durable(told.append)
        at = 0
        for block in steps(20):
            recorder.append(block)
            await recorder.wait_durable(block.end_samples)
            in_bucket = b"".join(data for _, data in sorted(of_track(s3, track).items()))
            assert in_bucket == node.path(track).read_bytes()
            assert told[-1] == block.end_samples > at
            at = block.end_samples
        assert len(of_track(s3, track)) == 20
        await recorder.close()


async def test_nothing_is_durable_while_the_bucket_is_away_and_all_is_when_it_is_back(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with running_node(tmp_path / "a", store, s3) as node:
        recorder = await node.record(track, steps(2))
        s3.faults_of["PUT"] = deque([503] * 10_000)
        for block in steps(30, start=3200):
            recorder.append(block)
        await recorder.flush()
        await until(lambda: len(s3.faults_of["PUT"]) < 9_990)
        assert recorder.durable_samples == 3200
        s3.faults_of.clear()
        async with asyncio.timeout(DEADLINE_S):
            await recorder.wait_durable(51_200)
        assert b"".join(data for _, data in sorted(of_track(s3, track).items())) == node.path(track).read_bytes()
        await recorder.close()


async def test_the_end_of_a_track_does_not_wait_for_a_bucket_that_is_away_and_the_rest_goes_later(
    tmp_path: Path, store: Store, track: Track, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping_module, "END_S", 0.1)
    async with running_node(tmp_path / "a", store, s3) as node:
        recorder = await node.record(track, steps(2))
        s3.faults_of["PUT"] = deque([503] * 10_000)
        recorder.append(sound(3200, 1600))
        await node.end(track, recorder)
    s3.faults_of.clear()
    assert not (await store.get_track(track.id)).is_remote
    async with running_node(tmp_path / "a", store, s3) as node:  # after a restart it is found in the database
        await until_remote(store, track)
    async with running_node(tmp_path / "b", store, s3) as other:
        assert await other.heard(track) == sound(0, 4800).pcm


@pytest.mark.parametrize("kind", ["samples", "opus", "both"])
async def test_another_node_goes_on_after_the_last_piece_and_every_sample_stays(
    tmp_path: Path, store: Store, track: Track, s3: S3Server, kind: str
) -> None:
    """The first node is gone with its disk; what it had and the bucket had not comes again."""
    blocks = steps(40, length=800) if kind == "samples" else opus_blocks(PACKETS)
    if kind == "both":
        blocks = [*blocks[:30], *steps(20, start=blocks[30].start_samples, length=320), *blocks[50:]]
    async with running_node(tmp_path / "a", store, s3) as first:
        recorder = await first.record(track, blocks[:25])
        await first.sound._shipping.stop()  # from here on nothing of it arrives
        for block in blocks[25:28]:
            recorder.append(block)
        await recorder.flush()
        lost_samples = recorder.length_samples
    async with running_node(tmp_path / "b", store, s3) as second:
        recorder = await second.sound.open(track)
        assert blocks[24].end_samples == recorder.length_samples < lost_samples
        for block in blocks[25:]:
            recorder.append(block)
        ended = await second.end(track, recorder)
        # As if one node had recorded all of it.
        async with running_node(tmp_path / "alone", store, None) as alone:
            same = await store.create_track(track.transcript_id, source="stream", started_at=1.0)
            whole = await alone.sound.open(same)
            for block in blocks:
                whole.append(block)
            await whole.close()
            assert await second.heard(ended) == heard(alone.path(same))
            if kind == "opus":
                assert Recording(second.path(track)).ogg_length_bytes() == second.path(track).stat().st_size
    async with running_node(tmp_path / "c", store, s3) as reader:
        assert await reader.heard(ended) == heard(tmp_path / "alone" / "recordings" / same.path)
        assert reader.path(track).read_bytes() == second.path(track).read_bytes()


async def test_a_node_that_was_thought_dead_and_sends_on_changes_nothing(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", store, s3) as first,
        running_node(tmp_path / "b", store, s3) as second,
        running_node(tmp_path / "c", store, s3) as reader,
    ):
        old = await first.record(track, [sound(0, 1600)])
        new = await second.sound.open(track)
        for at in range(8):
            old.append(Block(1600 + at * 1600, b"\x01\x02" * 1600))
            await old.wait_durable(1600 + at * 1600 + 1600)
        assert await reader.heard(track) == sound(0, 1600).pcm
        for block in steps(3, start=1600):
            new.append(block)
            await new.wait_durable(block.end_samples)
            old.append(Block(old.length_samples, b"\x01\x02" * 1600))
            await old.wait_durable(old.length_samples)
        await new.close()
        await old.close()
        assert await reader.heard(track) == sound(0, 6400).pcm
        # And the first, when it comes to itself, takes what the second has.
        assert await first.heard(track) == sound(0, 6400).pcm
        assert first.path(track).read_bytes() == second.path(track).read_bytes()


async def test_a_reader_follows_a_track_that_grows_elsewhere(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", store, s3) as speaker,
        running_node(tmp_path / "b", store, s3) as reader,
    ):
        recorder = await speaker.record(track, steps(3))
        assert await reader.heard(track) == sound(0, 4800).pcm
        inode = reader.path(track).stat().st_ino
        for block in steps(10, start=4800):
            recorder.append(block)
        await recorder.wait_durable(20_800)
        before = len(s3.requests)
        assert await reader.heard(track) == sound(0, 20_800).pcm
        got = [key for method, key, _ in s3.requests[before:] if method == "GET" and key]
        assert got
        assert not any(key_of(track.path, 0, 0)[:-10] in key for key in got)
        assert reader.path(track).stat().st_ino == inode, "only what is new was fetched"
        await speaker.end(track, recorder)
        assert await store.kept.arrived(track.id, (await store.get_track(track.id)).kept_turn)  # as a round says
        await reader.heard(track)
        before = len(s3.requests)
        assert await reader.heard(track) == sound(0, 20_800).pcm
        assert len(s3.requests) == before, "what is whole is not asked for again"


async def test_one_goes_on_where_a_crash_cut_its_own_file(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    """What was in the bucket and is not in the file any longer is not of the track any longer."""
    async with running_node(tmp_path / "a", store, s3) as node:
        await (await node.record(track, steps(3))).close()
        path = node.path(track)
    os.truncate(path, path.stat().st_size - 5)
    async with running_node(tmp_path / "a", store, s3) as node:
        recorder = await node.sound.open(track)
        assert recorder.length_samples < 4800
        again = recorder.length_samples
        for block in steps(2, start=again):
            recorder.append(block)
        await recorder.wait_durable(again + 3200)
        await recorder.close()
        written = path.read_bytes()
    async with running_node(tmp_path / "b", store, s3) as reader:
        assert await reader.heard(track) == sound(0, again + 3200).pcm
        assert reader.path(track).read_bytes() == written


async def test_a_folder_that_lost_its_recordings_gets_them_back(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with running_node(tmp_path / "a", store, s3) as node:
        await (await node.record(track, steps(3))).close()
        node.path(track).unlink()
        assert await node.heard(track) == sound(0, 4800).pcm
        node.path(track).unlink()
        recorder = await node.sound.open(track)
        assert recorder.length_samples == 4800
        await recorder.close()


async def test_without_a_bucket_sound_of_another_folder_is_refused_with_what_to_do(
    tmp_path: Path, store: Store, track: Track
) -> None:
    async with running_node(tmp_path / "a", store, None) as first:
        recorder = await first.record(track, steps(3))
        await recorder.close()
        assert await first.heard(track) == sound(0, 4800).pcm
    async with running_node(tmp_path / "b", store, None) as second:
        for ask in (second.sound.fetch, second.sound.open):
            with pytest.raises(StoreUnavailable, match="set blobs_url to one bucket on all nodes"):
                await ask(await store.get_track(track.id))
    async with running_node(tmp_path / "a", store, None) as again:
        recorder = await again.sound.open(track)
        assert recorder.length_samples == recorder.durable_samples == 4800
        await recorder.close()


async def test_what_was_recorded_before_there_was_a_bucket_goes_there(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with running_node(tmp_path / "a", store, None) as node:
        await node.end(track, await node.record(track, steps(3)))
        old = await store.create_track(track.transcript_id, source="stream", started_at=2.0, state="finished")
        node.path(old).write_bytes(node.path(track).read_bytes())  # as an older version left it
    async with running_node(tmp_path / "a", store, s3):
        await until_remote(store, track)
        await until_remote(store, old)
    async with running_node(tmp_path / "b", store, s3) as other:
        assert await other.heard(track) == await other.heard(old) == sound(0, 4800).pcm


async def test_an_uploaded_file_can_be_heard_from_on_another_node(tmp_path: Path, store: Store, s3: S3Server) -> None:
    transcript = await store.create_transcript(name="file")
    track = await store.create_track(transcript.id, source="file", started_at=1.0)
    async with running_node(tmp_path / "a", store, s3) as node:
        recorder = await node.sound.open(track)
        node.path(track).with_suffix(".upload").write_bytes(b"RIFF and so on")
        await node.sound.uploaded(track)
        assert of_track(s3, track)["upload"] == b"RIFF and so on"
        await recorder.close()
    async with running_node(tmp_path / "b", store, s3) as other:
        assert await other.sound.has_upload(track)
        assert other.path(track).with_suffix(".upload").read_bytes() == b"RIFF and so on"
        unknown = await store.create_track(transcript.id, source="file", started_at=1.0)
        assert not await other.sound.has_upload(unknown)


async def test_sound_that_is_deleted_leaves_the_bucket_and_nothing_comes_after_it(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with running_node(tmp_path / "a", store, s3) as node:
        recorder = await node.record(track, steps(3))
        other = await store.create_track(track.transcript_id, source="stream", started_at=2.0)
        kept = await node.record(other, steps(3))
        await node.sound.remove(track.path)
        recorder.append(sound(4800, 1600))
        await recorder.close()
        assert of_track(s3, track) == {}
        assert of_track(s3, other)
        await kept.close()
        await store.destroy_transcript(track.transcript_id)
        await node.sound.remove(track.transcript_id)
        assert dict(s3.objects) == {}


async def test_sound_that_is_deleted_while_the_bucket_is_away_is_removed_from_it_later(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with running_node(tmp_path / "a", store, s3) as node:
        await node.end(track, await node.record(track, steps(3)))
        await store.remove_audio(track.transcript_id)
        s3.faults_of["GET"] = deque([503] * 3)
        s3.faults_of["POST"] = deque([503] * 3)
        await node.sound.remove(track.transcript_id)
        assert of_track(s3, track)
        s3.faults_of.clear()
    async with running_node(tmp_path / "b", store, s3):
        await until(lambda: not of_track(s3, track))
    assert [path for path, _ in await store.kept.gone("", limit=10)] == [track.transcript_id]  # and is looked for again


async def test_a_stray_piece_of_deleted_sound_is_removed_an_hour_later(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with running_node(tmp_path / "a", store, s3) as node:
        leftovers = node.sound._leftovers
        await leftovers.stop()
        await store.destroy_transcript(track.transcript_id)
        await node.sound.remove(track.transcript_id)
        await node.blobs.put(key_of(track.path, 0, 1), b"from who did not hear of it")
        leftovers._clock = lambda: time.time() + 3700
        assert await leftovers.remove() == 1
        assert dict(s3.objects) == {}
        assert await store.kept.gone("", limit=10) == []


async def test_sound_that_is_sent_after_it_was_deleted_is_taken_back(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with running_node(tmp_path / "a", store, None) as node:
        await node.end(track, await node.record(track, steps(3)))
    async with running_node(tmp_path / "a", store, s3) as node:
        await node.sound._leftovers.stop()
        for key in list(s3.objects):
            del s3.objects[key]
        found = await store.get_track(track.id)
        await store.remove_audio(track.transcript_id)  # by another node, behind the back of this one
        await node.sound._leftovers._send(found)
        assert dict(s3.objects) == {}


async def test_copies_that_nobody_asks_for_are_deleted_and_come_again(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", store, s3) as speaker,
        running_node(tmp_path / "b", store, s3) as reader,
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
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    """Both make a copy, and one of them goes on with it while the other still does."""
    async with (
        running_node(tmp_path / "a", store, s3) as speaker,
        running_node(tmp_path / "b", store, s3) as one,
        running_node(tmp_path / "b", store, s3) as two,
    ):
        await (await speaker.record(track, steps(30))).close()
        assert set(await asyncio.gather(one.heard(track), two.heard(track))) == {sound(0, 48_000).pcm}
        one.path(track).unlink()
        s3.held.add("GET")
        reading = asyncio.create_task(two.heard(track))
        await until(lambda: s3.requests[-1][0] == "GET" and s3.requests[-1][1] == "")
        opening = asyncio.create_task(one.sound.open(track))
        s3.held.clear()
        s3.let_go.set()
        recorder = await opening
        assert await reading == sound(0, 48_000).pcm
        recorder.append(sound(48_000, 1600))
        await recorder.wait_durable(49_600)
        assert await two.heard(track) == await one.heard(track) == sound(0, 49_600).pcm
        await recorder.close()
        assert await speaker.heard(track) == sound(0, 49_600).pcm


async def test_a_bucket_that_fails_while_a_copy_is_made_leaves_none(
    tmp_path: Path, store: Store, track: Track, s3: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", store, s3) as speaker,
        running_node(tmp_path / "b", store, s3) as reader,
    ):
        recorder = await speaker.record(track, steps(3))
        s3.faults_of["GET"] = deque([500])
        with pytest.raises(StoreUnavailable):
            await reader.heard(track)
        s3.cut.update(s3.objects)
        with pytest.raises(StoreUnavailable):
            await reader.heard(track)
        s3.cut.clear()
        assert [each for each in reader.path(track).parent.glob("**/*") if each.is_file()] == []
        assert await reader.heard(track) == sound(0, 4800).pcm
        await recorder.close()


async def test_real_speech_moves_from_node_to_node_unchanged(
    tmp_path: Path, store: Store, track: Track, s3: S3Server, speech_data: Path
) -> None:
    """Two conversations, one after the other, each fifth of them by another node."""
    blocks: list[Block] = []
    for name in ("conv2", "conv3"):
        before = blocks[-1].end_samples if blocks else 0
        file = speech_data / "diarization/constructed" / f"{name}.flac"
        blocks += [block.moved(before) for block in decode_file(file, LIMITS)]
    whole = b"".join(block.pcm for block in blocks)
    share = -(-len(blocks) // 5)
    for number in range(5):
        async with running_node(tmp_path / f"n{number}", store, s3, interval_s=0.05) as node:
            some = blocks[number * share : (number + 1) * share]
            recorder = await node.sound.open(track)
            assert recorder.length_samples == some[0].start_samples
            for block in some:
                recorder.append(block)
            await recorder.wait_durable(some[-1].end_samples)
            await recorder.close()
    async with running_node(tmp_path / "reader", store, s3) as reader:
        assert await reader.heard(track) == whole
        assert len(whole) > 2 * 16_000 * 280
