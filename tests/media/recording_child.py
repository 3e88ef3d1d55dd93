"""Appends sound that tells its place as fast as the disk takes it, and prints each durable position.

python -m tests.media.recording_child FILE [LARGEST_FILE_BYTES | opus]
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog

from media.recorder import DiskWriter, TrackRecorder
from protocol.blocks import Block
from protocol.errors import StoreUnavailable
from tests.media.opus_sound import sweep_packets

_BLOCK_SAMPLES = 320


def as_samples(at: int) -> Block:
    places = np.arange(at, at + _BLOCK_SAMPLES, dtype=np.int64)
    return Block(at, (places * 7 + 1).astype("<i2").tobytes())


def as_opus(at: int) -> Block:
    packets = sweep_packets(2.0)
    return Block(at, bytes(2 * _BLOCK_SAMPLES), (packets[at // _BLOCK_SAMPLES % len(packets)],))


async def record(path: Path, block_at: Callable[[int], Block]) -> None:
    writer = DiskWriter(write_interval_s=0.001, sync_interval_s=0.004)
    writer.start()
    recorder = await TrackRecorder.open(path, writer)
    recorder.on_durable(lambda samples: print(samples, flush=True))
    try:
        while True:
            recorder.append(block_at(recorder.length_samples))
            await asyncio.sleep(0.0005)
    except StoreUnavailable as error:
        print(error.code, flush=True)
    await writer.stop()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    opus = sys.argv[2:] == ["opus"]
    if len(sys.argv) > 2 and not opus:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    asyncio.run(record(Path(sys.argv[1]), as_opus if opus else as_samples))
