from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from media import disk_writer
from media.recorder import DiskWriter, Recording, TrackRecorder
from protocol.blocks import Block
from protocol.errors import StoreUnavailable


def sound(start_samples: int, length_samples: int) -> Block:
    """Every sample tells its own place, so a shifted or damaged one shows."""
    places = np.arange(start_samples, start_samples + length_samples, dtype=np.int64)
    return Block(start_samples, (places * 7 + 1).astype("<i2").tobytes())


def heard(path: Path) -> bytes:
    return b"".join(block.pcm for block in Recording(path).blocks())


@asynccontextmanager
async def running(write_interval_s: float = 0.005, sync_interval_s: float = 0.02) -> AsyncIterator[DiskWriter]:
    writer = DiskWriter(write_interval_s=write_interval_s, sync_interval_s=sync_interval_s)
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


async def test_what_is_appended_becomes_durable_by_itself(tmp_path: Path) -> None:
    told: list[int] = []
    async with running() as writer:
        recorder = await TrackRecorder.open(tmp_path / "new" / "folder" / "a.rec", writer)
        recorder.on_durable(told.append)
        assert (recorder.length_samples, recorder.durable_samples) == (0, 0)
        for at in range(0, 3200, 320):
            recorder.append(sound(at, 320))
        assert recorder.length_samples == 3200
        await recorder.wait_durable(3200)
        assert recorder.durable_samples == 3200
        assert told[-1] == 3200
        assert told == sorted(told)
        await recorder.close()
    assert heard(tmp_path / "new" / "folder" / "a.rec") == sound(0, 3200).pcm


async def test_flush_does_not_wait_for_the_intervals(tmp_path: Path) -> None:
    async with running(write_interval_s=3600, sync_interval_s=3600) as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        recorder.append(sound(0, 100))
        await recorder.flush()
        assert recorder.durable_samples == 100
        await recorder.flush()  # nothing new: still answers
        recorder.append(sound(100, 100))
        await recorder.close()
        await recorder.close()
        assert recorder.durable_samples == 200
    assert heard(tmp_path / "a.rec") == sound(0, 200).pcm


async def test_a_sync_is_due_from_the_sound_on_not_from_its_writing(tmp_path: Path) -> None:
    async with running(write_interval_s=3600, sync_interval_s=0.02) as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        for at in range(0, 500, 100):
            recorder.append(sound(at, 100))
            await asyncio.wait_for(recorder.wait_durable(at + 100), 10)
        await recorder.close()


async def test_sound_without_end_is_synced_every_interval(tmp_path: Path) -> None:
    synced_s: list[float] = []
    async with running(write_interval_s=0.1, sync_interval_s=0.2) as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        recorder.on_durable(lambda _: synced_s.append(time.monotonic()))
        while len(synced_s) < 6:
            recorder.append(sound(recorder.length_samples, 160))
            await asyncio.sleep(0.01)
        await recorder.close()
    # The machine may be late with some, but not with all: 0.3 if the writing came first.
    assert min(after - before for before, after in pairwise(synced_s[:6])) < 0.25


async def test_written_sound_can_be_read_before_it_is_durable(tmp_path: Path) -> None:
    async with running(write_interval_s=0.0, sync_interval_s=3600) as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        recording = Recording(tmp_path / "a.rec")
        recorder.append(sound(0, 160))
        deadline = time.monotonic() + 10
        while await asyncio.to_thread(recording.length_samples) < 160:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
        assert recorder.durable_samples == 0
        await recorder.close()


async def test_nothing_is_durable_before_its_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, go_on = threading.Event(), threading.Event()

    def slow_sync(fd: int) -> None:
        syncing.set()
        go_on.wait(10)
        os.fsync(fd)

    async with running(write_interval_s=0.0, sync_interval_s=0.0) as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        monkeypatch.setattr(disk_writer, "_sync", slow_sync)
        recorder.append(sound(0, 160))
        assert await asyncio.to_thread(syncing.wait, 10)
        recorder.append(sound(160, 160))  # put while the first is being synced
        assert recorder.durable_samples == 0
        go_on.set()
        await recorder.wait_durable(160)
        await recorder.wait_durable(320)
        await recorder.close()


async def test_overlap_is_trimmed_and_a_hole_is_silence(tmp_path: Path) -> None:
    async with running() as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        recorder.append(sound(0, 100))
        recorder.append(sound(50, 100))
        recorder.append(sound(0, 150))
        recorder.append(Block(150, b""))
        recorder.append(sound(250, 50))
        assert recorder.length_samples == 300
        await recorder.close()
    assert heard(tmp_path / "a.rec") == sound(0, 150).pcm + bytes(200) + sound(250, 50).pcm


async def test_a_second_open_goes_on_after_cutting_the_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    async with running() as writer:
        recorder = await TrackRecorder.open(path, writer)
        recorder.append(sound(0, 100))
        await recorder.flush()
        recorder.append(sound(100, 100))
        await recorder.close()
        os.truncate(path, path.stat().st_size - 1)
        again = await TrackRecorder.open(path, writer)
        assert (again.length_samples, again.durable_samples) == (100, 100)
        again.append(sound(80, 200))
        await again.close()
    assert heard(path) == sound(0, 280).pcm


async def test_a_second_open_keeps_what_lies_after_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    async with running(write_interval_s=3600, sync_interval_s=3600) as writer:
        recorder = await TrackRecorder.open(path, writer)
        for at in range(0, 1000, 100):
            recorder.append(sound(at, 100))
            await recorder.flush()
        await recorder.close()
        damaged = bytearray(path.read_bytes())
        damaged[5 * len(damaged) // 10 + 4] ^= 1  # in the length of the record at 500
        path.write_bytes(damaged)
        again = await TrackRecorder.open(path, writer)
        assert again.length_samples == 1000
        again.append(sound(1000, 100))
        await again.close()
    assert heard(path) == sound(0, 500).pcm + bytes(200) + sound(600, 500).pcm


async def test_one_recording_has_one_writer(tmp_path: Path) -> None:
    async with running() as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        with pytest.raises(StoreUnavailable):
            await TrackRecorder.open(tmp_path / "a.rec", writer)
        await recorder.close()
        await (await TrackRecorder.open(tmp_path / "a.rec", writer)).close()


async def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"keep me")
    (tmp_path / "a.rec").symlink_to(tmp_path / "victim")
    async with running() as writer:
        with pytest.raises(StoreUnavailable):
            await TrackRecorder.open(tmp_path / "a.rec", writer)
    assert (tmp_path / "victim").read_bytes() == b"keep me"


async def test_stop_keeps_what_was_appended(tmp_path: Path) -> None:
    writer = DiskWriter(write_interval_s=3600, sync_interval_s=3600)
    writer.start()
    recorders = [await TrackRecorder.open(tmp_path / f"{number}.rec", writer) for number in range(3)]
    for recorder in recorders:
        recorder.append(sound(0, 500))
    await writer.stop()
    for recorder in recorders:
        assert recorder.durable_samples == 500
        await recorder.close()
        with pytest.raises(StoreUnavailable):
            recorder.append(sound(500, 1))
    await writer.stop()
    assert heard(tmp_path / "2.rec") == sound(0, 500).pcm


async def test_closing_ends_those_who_wait_for_more(tmp_path: Path) -> None:
    async with running() as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        waiting = asyncio.ensure_future(recorder.wait_durable(1))
        await asyncio.sleep(0)
        await recorder.close()
        with pytest.raises(StoreUnavailable):
            await waiting


async def test_a_queue_that_is_full_refuses(tmp_path: Path) -> None:
    writer = DiskWriter(write_interval_s=3600, sync_interval_s=3600, queue_max_bytes=1000)
    writer.start()
    recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
    recorder.append(sound(0, 400))
    with pytest.raises(StoreUnavailable):
        recorder.append(sound(400, 400))
    assert recorder.length_samples == 400
    await recorder.flush()
    assert writer.queued_bytes == 0
    recorder.append(sound(400, 400))
    await recorder.close()
    await writer.stop()


async def test_a_full_disk_is_a_typed_error_and_costs_only_its_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write = os.write
    full: set[int] = set()

    def write(fd: int, data: memoryview) -> int:
        if fd not in full:
            return real_write(fd, data)
        if len(data) > 50:
            return real_write(fd, data[:50])  # a disk that fills up takes a part first
        raise OSError(28, "No space left on device")

    async with running() as writer:
        broken = await TrackRecorder.open(tmp_path / "broken.rec", writer)
        healthy = await TrackRecorder.open(tmp_path / "healthy.rec", writer)
        broken.append(sound(0, 100))
        await broken.flush()
        monkeypatch.setattr(os, "write", write)
        full.add(broken._file.fd)
        broken.append(sound(100, 100))
        healthy.append(sound(0, 100))
        with pytest.raises(StoreUnavailable, match="full"):
            await broken.wait_durable(200)
        for call in (broken.flush, broken.close):
            with pytest.raises(StoreUnavailable, match="full"):
                await call()
        with pytest.raises(StoreUnavailable, match="full"):
            broken.append(sound(200, 100))
        await healthy.wait_durable(100)
        await healthy.close()
        monkeypatch.setattr(os, "write", real_write)
        again = await TrackRecorder.open(tmp_path / "broken.rec", writer)  # there is room again
        assert again.length_samples == 100
        await again.close()


async def test_a_failed_sync_is_never_taken_for_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing_sync(fd: int) -> None:
        raise OSError(5, "Input/output error")

    async with running() as writer:
        recorder = await TrackRecorder.open(tmp_path / "a.rec", writer)
        monkeypatch.setattr(disk_writer, "_sync", failing_sync)
        recorder.append(sound(0, 100))
        with pytest.raises(StoreUnavailable, match="EIO"):
            await recorder.wait_durable(100)
        assert recorder.durable_samples == 0
        with pytest.raises(StoreUnavailable, match="EIO"):
            await recorder.close()


def _child(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.media.recording_child", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )


def _positions(lines: Sequence[bytes]) -> list[int]:
    return [int(line) for line in lines if line.endswith(b"\n")]


@pytest.mark.parametrize("seed", range(5))
def test_what_was_told_durable_survives_a_kill(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.rec"
    rng = random.Random(seed)
    durable = 0
    for _ in range(2):  # the second child goes on with the first one's file
        with _child(str(path)) as child:
            assert child.stdout is not None
            assert select.select([child.stdout], [], [], 30)[0]
            lines = [child.stdout.readline() for _ in range(rng.randrange(1, 40))]
            time.sleep(rng.random() * 0.01)  # the instant is the test's subject, not something waited for
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        durable = max(durable, *_positions(lines))
        length_samples = Recording(path).length_samples()
        assert length_samples >= durable > 0
        assert heard(path) == sound(0, length_samples).pcm


def test_a_file_that_may_not_grow_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    with _child(str(path), "20000") as child:
        output, _ = child.communicate(timeout=30)
    *positions, last = output.splitlines(keepends=True)
    assert child.returncode == 0
    assert last == b"STORE_UNAVAILABLE\n"
    length_samples = Recording(path).length_samples()
    assert length_samples >= max(_positions(positions), default=0)
    assert heard(path) == sound(0, length_samples).pcm
