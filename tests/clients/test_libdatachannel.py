"""libdatachannel, on which OBS Studio is built, through node-datachannel: OBS itself needs a desktop."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from asr.contract import Samples
from tests.clients.hearing import hearing, node_package, run, sentence

pytestmark = pytest.mark.process

CLIENT = Path(__file__).with_name("libdatachannel_client.cjs")
STEP_SAMPLES = 960  # 20 ms


def opus_packets(samples: Samples) -> bytes:
    """Stereo at 48 kHz, as OBS encodes; each packet behind its length."""
    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 48_000, "stereo", "s16", 96_000
    codec.options = {"frame_duration": "20"}
    packets: list[bytes] = []
    wide = np.repeat(samples, 6)  # 16 kHz held to 48 kHz, twice
    for start in range(0, len(wide) - 2 * STEP_SAMPLES + 1, 2 * STEP_SAMPLES):
        piece = wide[None, start : start + 2 * STEP_SAMPLES]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="stereo")
        frame.sample_rate = 48_000
        frame.pts = start // 2
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)


async def test_libdatachannel_offers_video_too_speaks_and_is_understood(tmp_path: Path) -> None:
    node, folder = node_package("node-datachannel")
    said = sentence(tmp_path)
    packets = tmp_path / "packets"
    packets.write_bytes(opus_packets(said.samples))
    async with hearing(tmp_path) as server:
        id_ = await server.new_transcript()
        printed = await run(node, CLIENT, folder, packets, server.whip(id_), str(server.token))
        assert "audio true, video false" in printed
        await server.assert_heard(said, id_)
