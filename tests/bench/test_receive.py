from __future__ import annotations

import pytest

from tests.bench.receive import ages_ms, cost, media_time_error_ms
from tests.bench.rtp_sender import PACKET_S, Receiving
from tests.media.opus_sound import sweep_packets


def test_the_age_of_sound_counts_from_when_its_last_packet_was_sent() -> None:
    # Sent at 10.00, 10.02, 10.04; the second was lost and its place filled with the third.
    times = [(10.001, 0.02), (10.103, 0.04), (10.103, 0.06)]
    assert ages_ms(times, 10.0, 10.0, 10.05) == [pytest.approx(1.0)]
    assert ages_ms(times, 10.0, 10.05, 11.0) == [pytest.approx(83.0), pytest.approx(63.0)]


@pytest.mark.parametrize("way", ["stock", "direct"])
async def test_what_was_sent_is_what_is_heard(way: str) -> None:
    async with Receiving(way, None, sweep_packets(1.0)) as receiving:
        await receiving.grow(2)
        found = await cost(receiving, 0.5)
        assert found["ms"] > 0
        assert 0.2 < found["delivered"] < 2.0  # on a full machine some is still on its way
        if way == "direct":
            assert await media_time_error_ms(receiving, 0.4) <= PACKET_S * 1000
