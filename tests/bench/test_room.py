from __future__ import annotations

import pytest

from tests.bench.room import delays, heard_after_ms, mixer_us
from tests.media.opus_sound import opus_packets
from tests.net.ear import tone


def test_a_sound_is_heard_with_its_first_loud_packet() -> None:
    packets = opus_packets(bytes(3_200) + tone(500, 0.1) + bytes(3_200) + tone(500, 0.1))
    heard = [(10 + n * 0.02, packet) for n, packet in enumerate(packets)]
    found = heard_after_ms(heard, [10.09, 10.29])
    assert found == [pytest.approx(10, abs=21), pytest.approx(10, abs=21)]


async def test_the_bench_hears_something() -> None:
    assert mixer_us(participants=3, speaking=1, frames=5) > 0
    found = await delays(None, words=2)
    assert len(found) == 2
