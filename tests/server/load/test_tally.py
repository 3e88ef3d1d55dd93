from __future__ import annotations

import math

from server.load.tally import CODES_MAX, Codes, Tally, Times


def test_percentiles_are_times_that_were_met() -> None:
    times = Times()
    assert math.isnan(times.percentile(50))
    assert times.figures() == {"count": 0}
    for ms in range(1, 101):
        times.add(ms / 1000)
    assert times.figures() == {"count": 100, "p50": 50, "p95": 95, "p99": 99, "max": 100.0}
    times.add(-1.0)
    times.add(1e9)  # kept within bounds, and still the longest
    assert times.percentile(100) == 600_000


def test_codes_are_bounded() -> None:
    codes = Codes()
    for number in range(3 * CODES_MAX):
        codes.add(f"CODE_{number}")
    codes.add("CODE_1")
    assert codes.total == 3 * CODES_MAX + 1
    assert len(codes.by_code) == CODES_MAX + 1
    assert codes.by_code["CODE_1"] == 2


def test_a_loss_of_any_kind_is_told() -> None:
    tally = Tally()
    assert tally.lost == []
    tally.words.missing, tally.events_doubled, tally.sound_missing_s = 2, 1, 0.5
    assert tally.lost == ["2 words missing", "1 events doubled", "0.5 s of sound missing"]
