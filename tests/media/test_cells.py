from __future__ import annotations

import pytest

from media.cells import decode
from media.ogg import OggWriter
from media.opus import packet_samples
from protocol.errors import StoreUnavailable
from tests.media.opus_sound import opus_blocks, sweep_packets

PACKETS = sweep_packets(1.0)


def page_of(packets: tuple[bytes, ...], start_samples: int) -> tuple[int, bytes]:
    writer = OggWriter(1, start_samples, 2)
    for packet in packets:
        writer.add(packet, packet_samples(packet))
    return start_samples, writer.take()


def test_what_leads_is_heard_and_not_told() -> None:
    whole = b"".join(block.pcm for block in opus_blocks(PACKETS))
    pages = [page_of(PACKETS[:25], 0), page_of(PACKETS[25:], 8_000)]
    assert decode(pages, 0) == whole
    assert decode(pages, 8_000) == whole[16_000:]
    assert decode(pages[1:], 8_000) != whole[16_000:]


def test_a_hole_between_pages_is_silence() -> None:
    pcm = decode([page_of(PACKETS[:1], 100), page_of(PACKETS[1:2], 1_000)], 100)
    assert len(pcm) == 2 * (900 + 320)
    assert not any(pcm[640:1_800])


def test_a_page_that_is_none_any_more_is_an_error() -> None:
    start_samples, data = page_of(PACKETS, 0)
    with pytest.raises(StoreUnavailable):
        decode([(start_samples, data[:-1])], 0)
