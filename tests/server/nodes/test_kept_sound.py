"""Sound that moves: recorded on one node, gone on with and heard on others, which share a database and a bucket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from media.decode import DecodeLimits, decode_file
from media.recorder import Recording
from protocol.blocks import Block
from protocol.errors import StoreUnavailable
from server.store.records import Track
from server.store.store import Store
from tests.fakes.buckets import KINDS
from tests.fakes.kept_node import of_track, running_node, steps
from tests.fakes.node import DEADLINE_S
from tests.fakes.s3 import S3Server
from tests.fakes.waiting import until
from tests.media.opus_sound import opus_blocks, sweep_packets
from tests.media.test_recorder import heard, sound

LIMITS = DecodeLimits(bytes_max=1 << 26, duration_max_s=600)
PACKETS = sweep_packets(2.0)


@pytest.mark.parametrize(
    ("bucket", "kind"), [("s3", "samples"), ("s3", "opus"), *((each, "both") for each in KINDS)], indirect=["bucket"]
)
async def test_another_node_goes_on_after_the_last_piece_and_every_sample_stays(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server, kind: str
) -> None:
    """The first node is gone with its disk; what it had and the bucket had not comes again."""
    blocks = steps(40, length=800) if kind == "samples" else opus_blocks(PACKETS)
    if kind == "both":
        blocks = [*blocks[:30], *steps(20, start=blocks[30].start_samples, length=320), *blocks[50:]]
    async with running_node(tmp_path / "a", sound_store, bucket) as first:
        recorder = await first.record(track, blocks[:25])
        await first.sound._shipping.stop()  # from here on nothing of it arrives
        for block in blocks[25:28]:
            recorder.append(block)
        await recorder.flush()
        lost_samples = recorder.length_samples
    async with running_node(tmp_path / "b", sound_store, bucket) as second:
        recorder = await second.sound.open(track)
        assert blocks[24].end_samples == recorder.length_samples < lost_samples
        for block in blocks[25:]:
            recorder.append(block)
        ended = await second.end(track, recorder)
        # As if one node had recorded all of it.
        async with running_node(tmp_path / "alone", sound_store, None) as alone:
            same = await sound_store.create_track(track.transcript_id, source="stream", started_at=1.0)
            whole = await alone.sound.open(same)
            for block in blocks:
                whole.append(block)
            await whole.close()
            assert await second.heard(ended) == heard(alone.path(same))
            if kind == "opus":
                assert Recording(second.path(track)).ogg_length_bytes() == second.path(track).stat().st_size
    async with running_node(tmp_path / "c", sound_store, bucket) as reader:
        assert await reader.heard(ended) == heard(tmp_path / "alone" / "recordings" / same.path)
        assert reader.path(track).read_bytes() == second.path(track).read_bytes()


async def test_a_node_that_was_thought_dead_and_sends_on_changes_nothing(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with (
        running_node(tmp_path / "a", sound_store, bucket) as first,
        running_node(tmp_path / "b", sound_store, bucket) as second,
        running_node(tmp_path / "c", sound_store, bucket) as reader,
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


async def test_nothing_is_durable_that_another_node_may_cut_off(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    ours = True
    async with running_node(tmp_path / "a", sound_store, bucket, is_ours=lambda: ours) as node:
        recorder = await node.record(track, steps(2))
        ours = False
        for block in steps(3, start=3200):
            recorder.append(block)
        await recorder.flush()
        await until(lambda: not any(each.waits for each in node.sound._shipping._shipments))
        assert b"".join(data for _, data in sorted(of_track(bucket, track).items())) == node.path(track).read_bytes()
        assert recorder.durable_samples == 3200
        ours = True  # the database heard of it: nobody went on
        async with asyncio.timeout(DEADLINE_S):
            await recorder.wait_durable(8000)
        await recorder.close()


async def test_a_folder_that_lost_its_recordings_gets_them_back(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        await (await node.record(track, steps(3))).close()
        node.path(track).unlink()
        assert await node.heard(track) == sound(0, 4800).pcm
        node.path(track).unlink()
        recorder = await node.sound.open(track)
        assert recorder.length_samples == 4800
        await recorder.close()


async def test_without_a_bucket_sound_of_another_folder_is_refused_with_what_to_do(
    tmp_path: Path, sound_store: Store, track: Track
) -> None:
    async with running_node(tmp_path / "a", sound_store, None) as first:
        recorder = await first.record(track, steps(3))
        await recorder.close()
        assert await first.heard(track) == sound(0, 4800).pcm
    async with running_node(tmp_path / "b", sound_store, None) as second:
        for ask in (second.sound.fetch, second.sound.open):
            with pytest.raises(StoreUnavailable, match="set blobs_url to one bucket on all nodes"):
                await ask(await sound_store.get_track(track.id))
    async with running_node(tmp_path / "a", sound_store, None) as again:
        recorder = await again.sound.open(track)
        assert recorder.length_samples == recorder.durable_samples == 4800
        await recorder.close()


async def test_an_uploaded_file_can_be_heard_from_on_another_node(
    tmp_path: Path, sound_store: Store, bucket: S3Server
) -> None:
    transcript = await sound_store.create_transcript(name="file")
    track = await sound_store.create_track(transcript.id, source="file", started_at=1.0)
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        recorder = await node.sound.open(track)
        node.path(track).with_suffix(".upload").write_bytes(b"RIFF and so on")
        await node.sound.uploaded(track)
        assert of_track(bucket, track)["upload"] == b"RIFF and so on"
        await recorder.close()
    async with running_node(tmp_path / "b", sound_store, bucket) as other:
        assert await other.sound.has_upload(track)
        assert other.path(track).with_suffix(".upload").read_bytes() == b"RIFF and so on"
        unknown = await sound_store.create_track(transcript.id, source="file", started_at=1.0)
        assert not await other.sound.has_upload(unknown)


async def test_sound_that_is_deleted_leaves_the_bucket_and_nothing_comes_after_it(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server
) -> None:
    async with running_node(tmp_path / "a", sound_store, bucket) as node:
        recorder = await node.record(track, steps(3))
        other = await sound_store.create_track(track.transcript_id, source="stream", started_at=2.0)
        kept = await node.record(other, steps(3))
        await node.sound.remove(track.path)
        recorder.append(sound(4800, 1600))
        await recorder.close()
        assert of_track(bucket, track) == {}
        assert of_track(bucket, other)
        await kept.close()
        await sound_store.destroy_transcript(track.transcript_id)
        await node.sound.remove(track.transcript_id)
        assert dict(bucket.objects) == {}


async def test_real_speech_moves_from_node_to_node_unchanged(
    tmp_path: Path, sound_store: Store, track: Track, bucket: S3Server, speech_data: Path
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
        async with running_node(tmp_path / f"n{number}", sound_store, bucket, interval_s=0.05) as node:
            some = blocks[number * share : (number + 1) * share]
            recorder = await node.sound.open(track)
            assert recorder.length_samples == some[0].start_samples
            for block in some:
                recorder.append(block)
            await recorder.wait_durable(some[-1].end_samples)
            await recorder.close()
    async with running_node(tmp_path / "reader", sound_store, bucket) as reader:
        assert await reader.heard(track) == whole
        assert len(whole) > 2 * 16_000 * 280
