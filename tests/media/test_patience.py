from __future__ import annotations

import random

import pytest

from media.patience import (
    GIVEN_UP_MAX,
    HOLD_MAX_PACKETS,
    HOLD_MAX_S,
    HOLD_PACKETS,
    HOLD_S,
    MARGIN,
    MEMORY_S,
    Patience,
)


def taught(need_s: float, at_s: float, patience: Patience | None = None) -> Patience:
    """Patience that found at ``at_s`` that a packet had needed so long."""
    patience = patience or Patience()
    patience.gave_up(7, 1, at_s - need_s)
    patience.came_late(7, at_s)
    return patience


def is_short(patience: Patience) -> bool:
    return (patience.hold_s, patience.hold_packets) == (HOLD_S, HOLD_PACKETS)


def test_it_is_short_at_first_and_stays_so_while_packets_are_only_lost() -> None:
    patience = Patience()
    assert is_short(patience)
    for at in range(100):
        patience.forget(at * 0.1)
        patience.gave_up(at * 50, 3, at * 0.1)
    assert is_short(patience)


@pytest.mark.parametrize("at_s", [0.5, 12.0, 1e6])
@pytest.mark.parametrize("need_s", [0.061, 0.1, 0.15])
def test_what_came_too_late_makes_it_a_quarter_longer_than_would_have_done(need_s: float, at_s: float) -> None:
    patience = taught(need_s, at_s)
    assert patience.hold_s == pytest.approx(need_s * MARGIN)
    assert patience.hold_packets == HOLD_MAX_PACKETS


def test_a_packet_given_up_because_others_had_come_needs_no_longer_hold_but_room() -> None:
    patience = taught(0.010, 1.0)
    assert (patience.hold_s, patience.hold_packets) == (HOLD_S, HOLD_MAX_PACKETS)


def test_it_has_a_limit_and_what_came_later_than_that_says_nothing() -> None:
    assert taught(0.199, 1.0).hold_s == HOLD_MAX_S
    assert is_short(taught(0.201, 1.0))
    # Nor does the packet with that number 22 minutes later.
    assert is_short(taught(65_536 * 0.020, 2_000.0))


def test_only_what_was_given_up_counts_and_only_once() -> None:
    patience = Patience()
    patience.gave_up(0xFFFF, 2, 1.0)
    patience.came_late(1, 1.1)
    patience.came_late(0xFFFE, 1.1)
    assert is_short(patience)
    patience.came_late(0, 1.08)
    patience.came_late(0, 1.15)
    assert patience.hold_s == pytest.approx(0.100)
    patience.came_late(0xFFFF, 1.12)
    assert patience.hold_s == pytest.approx(0.150)


def test_numbers_of_before_a_new_beginning_do_not_count() -> None:
    patience = Patience()
    patience.gave_up(3, 1, 1.0)
    patience.begin_anew()
    patience.came_late(3, 1.1)
    assert is_short(patience)


def test_what_was_given_up_is_remembered_up_to_a_hundred_the_newest_of_them() -> None:
    patience = Patience()
    dice = random.Random(1)
    first = 65_000
    for _ in range(200):
        count = dice.randrange(1_500)
        patience.gave_up(first, count, 1.0)
        first += count
        assert len(patience._given_up) <= GIVEN_UP_MAX
    patience.came_late((first - GIVEN_UP_MAX - 1) & 0xFFFF, 1.1)
    assert is_short(patience)
    patience.came_late((first - GIVEN_UP_MAX) & 0xFFFF, 1.1)
    assert not is_short(patience)


def test_it_is_short_again_after_a_while_in_steps() -> None:
    patience = taught(0.150, 100.0)
    taught(0.080, 112.0, patience)
    seen = []
    for step in range(400):
        now_s = 112.0 + step / 10
        patience.forget(now_s)
        seen.append((now_s, round(patience.hold_s * 1_000)))
    ends_s = {hold_ms: max(now_s for now_s, each in seen if each == hold_ms) for _, hold_ms in seen}
    assert list(ends_s) == [188, 100, 60]
    assert 100.0 + MEMORY_S <= ends_s[188] <= 100.0 + 2 * MEMORY_S
    assert 112.0 + MEMORY_S <= ends_s[100] <= 112.0 + 2 * MEMORY_S


@pytest.mark.parametrize("wait_s", [20.1, 25.0, 1e5])
def test_it_is_short_after_a_time_without_holes(wait_s: float) -> None:
    patience = taught(0.150, 100.0)
    patience.forget(100.0 + wait_s)
    assert is_short(patience)


def test_what_the_short_hold_would_have_given_up_keeps_it_long() -> None:
    for waited_s, waiting, keeps in [(0.100, 2, True), (0.050, 3, True), (0.050, 2, False)]:
        patience = taught(0.100, 100.0)
        for second in range(101, 160):
            patience.forget(second)
            patience.came_in_time(second - waited_s, waiting, second)
        assert is_short(patience) is not keeps
        assert patience.hold_s == pytest.approx(max(HOLD_S, waited_s * MARGIN) if keeps else HOLD_S)
