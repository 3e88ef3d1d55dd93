"""Appends sound that tells its place as fast as the disk takes it, and prints each durable position.

python -m tests.media.recording_child FILE [LARGEST_FILE_BYTES]
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import structlog

from media.recorder import DiskWriter, TrackRecorder
from protocol.blocks import Block
from protocol.errors import StoreUnavailable

_BLOCK_SAMPLES = 320


async def record(path: Path) -> None:
    writer = DiskWriter(write_interval_s=0.001, sync_interval_s=0.004)
    writer.start()
    recorder = await TrackRecorder.open(path, writer)
    recorder.on_durable(lambda samples: print(samples, flush=True))
    try:
        while True:
            at = recorder.length_samples
            places = np.arange(at, at + _BLOCK_SAMPLES, dtype=np.int64)
            recorder.append(Block(at, (places * 7 + 1).astype("<i2").tobytes()))
            await asyncio.sleep(0.0005)
    except StoreUnavailable as error:
        print(error.code, flush=True)
    await writer.stop()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if len(sys.argv) > 2:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    asyncio.run(record(Path(sys.argv[1])))
