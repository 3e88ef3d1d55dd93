"""The recorder with sound that came as Opus: kept as it came, through kills, changes of source and full disks."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from media.ogg import read_page
from media.recorder import Recording, TrackRecorder
from media.track_file import scan
from protocol.blocks import Block
from protocol.errors import StoreUnavailable
from tests.media.opus_sound import opus_blocks, sweep_packets
from tests.media.test_recorder import heard, running, sound

PACKETS = sweep_packets(2.0)


def packets_of(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        pages = [read_page(file, piece.begin_bytes) for piece in scan(file) if piece.length_samples]
    return [packet for page in pages if page for packet in page.packets]


def played_s(path: Path) -> float:
    """Where FFmpeg's last sound ends."""
    end_s = 0.0
    with av.open(str(path), format="ogg") as container:
        for frame in container.decode(audio=0):
            assert frame.pts is not None
            end_s = (frame.pts + frame.samples) / 48_000
    return end_s


async def record(path: Path, *runs: list[Block]) -> None:
    """Each run is a recorder of its own, as after a restart."""
    for blocks in runs:
        async with running() as writer:
            recorder = await TrackRecorder.open(path, writer)
            for block in blocks:
                recorder.append(block)
            await recorder.wait_durable(blocks[-1].end_samples)
            await recorder.close()


async def test_packets_are_kept_as_they_came_and_play_anywhere(tmp_path: Path) -> None:
    blocks = opus_blocks(PACKETS)
    await record(tmp_path / "a", blocks)
    assert packets_of(tmp_path / "a") == list(PACKETS)
    assert heard(tmp_path / "a") == b"".join(block.pcm for block in blocks)
    assert played_s(tmp_path / "a") == pytest.approx(2.0)
    assert (tmp_path / "a").stat().st_size < 64_000 / 6


async def test_after_a_restart_the_same_stream_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a"
    await record(path, opus_blocks(PACKETS[:10]), opus_blocks(PACKETS[10:20], 10 * 320))
    await record(path, opus_blocks(PACKETS[20:30], 20 * 320))
    os.truncate(path, path.stat().st_size - 1)
    kept_samples = Recording(path).length_samples()
    await record(path, opus_blocks(PACKETS[30:], 30 * 320))
    assert Recording(path).ogg_length_bytes() == path.stat().st_size
    with path.open("rb") as file:
        pieces = list(scan(file))
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    assert 20 * 320 <= kept_samples < 30 * 320
    assert played_s(path) == pytest.approx(2.0)


async def test_a_head_without_sound_is_cut_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a"
    await record(path, opus_blocks(PACKETS))
    with path.open("rb") as file:
        (*_, tags) = (piece for piece in scan(file) if not piece.length_samples)
    os.truncate(path, tags.end_bytes + 5)
    await record(path, opus_blocks(PACKETS))
    assert packets_of(path) == list(PACKETS)
    assert played_s(path) == pytest.approx(2.0)


async def test_a_track_whose_source_changes_keeps_each_as_it_came(tmp_path: Path) -> None:
    path = tmp_path / "a"
    first, third = opus_blocks(PACKETS[:50]), opus_blocks(PACKETS[50:], 21_111)
    second = sound(16_000, 5_111)
    for runs in ([first, [second], third], [[*first, second, *third]]):
        path.unlink(missing_ok=True)
        await record(path, *runs)
        pcm = heard(path)
        assert pcm[:32_000] == b"".join(block.pcm for block in first)
        assert pcm[32_000:42_222] == second.pcm
        assert pcm[42_222:] == b"".join(block.pcm for block in third)


async def test_overlap_with_what_is_there_loses_no_sound(tmp_path: Path) -> None:
    blocks = opus_blocks(PACKETS[:3])
    again = Block(900, blocks[0].pcm, blocks[0].packets)
    await record(tmp_path / "a", [*blocks, again])
    assert heard(tmp_path / "a") == b"".join(block.pcm for block in blocks) + again.pcm[120:]


async def test_a_full_disk_leaves_whole_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write

    def write(fd: int, data: memoryview) -> int:
        if len(data) > 50:
            return real_write(fd, data[:50])
        raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    async with running() as writer:
        recorder = await TrackRecorder.open(path, writer)
        blocks = opus_blocks(PACKETS[:50])
        for block in blocks[:10]:
            recorder.append(block)
        await recorder.flush()
        monkeypatch.setattr(os, "write", write)
        recorder.append(blocks[10])
        with pytest.raises(StoreUnavailable, match="full"):
            await recorder.wait_durable(11 * 320)
        with pytest.raises(StoreUnavailable, match="full"):
            await recorder.close()
        monkeypatch.setattr(os, "write", real_write)
    assert Recording(path).ogg_length_bytes() == path.stat().st_size
    await record(path, blocks[10:])
    assert packets_of(path) == list(PACKETS[:50])


@pytest.mark.parametrize("seed", range(3))
def test_what_was_told_durable_survives_a_kill_and_plays(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a"
    dice = random.Random(seed)
    durable = 0
    for _ in range(2):  # the second child goes on with the first one's file
        with subprocess.Popen(
            [sys.executable, "-m", "tests.media.recording_child", str(path), "opus"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        ) as child:
            assert child.stdout is not None
            assert select.select([child.stdout], [], [], 30)[0]
            lines = [child.stdout.readline() for _ in range(dice.randrange(5, 40))]
            time.sleep(dice.random() * 0.01)  # the instant is the test's subject, not something waited for
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        durable = max([durable, *(int(line) for line in lines if line.endswith(b"\n"))])
        length_samples = Recording(path).length_samples()
        assert length_samples >= durable > 0
        assert length_samples % 320 == 0
        count = length_samples // 320
        assert packets_of(path) == [PACKETS[index % len(PACKETS)] for index in range(count)]
        assert len(heard(path)) == 2 * length_samples
    assert played_s(path) == pytest.approx(length_samples / 16_000)
