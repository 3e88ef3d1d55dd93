"""Where sessions are placed, with workers that are only figures."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from asr.placement import WorkerState, choose, home_of_new, may_leave


@dataclass
class Place:
    index: int
    state: WorkerState = "ok"
    strikes: int = 0
    suspects: int = 0
    live: int = 0
    files: int = 0
    crowding: float = 0.0


def test_the_fewest_sessions_of_the_same_lane_win_then_the_other_lane_then_the_idlest() -> None:
    one, two = Place(0, live=2, files=0), Place(1, live=1, files=5)
    assert choose([one, two], lane="live") is two
    assert choose([one, two], lane="file") is one
    assert choose([Place(0, files=1), Place(1)], lane="live") == Place(1)
    assert choose([Place(0, crowding=0.8), Place(1, crowding=0.1)], lane="live") == Place(1, crowding=0.1)
    assert choose([Place(0, crowding=0.12), Place(1, crowding=0.1)], lane="live") == Place(0, crowding=0.12)


def test_a_speaker_goes_where_there_is_room_though_more_are_there() -> None:
    idle, full = Place(0, live=3, crowding=0.3), Place(1, live=2, crowding=1.4)
    assert choose([idle, full], lane="live") is idle
    assert choose([idle, full], lane="file") is full


def test_only_ready_workers_are_chosen() -> None:
    assert choose([Place(0, "degraded"), Place(1, "starting")], lane="live") is None
    assert choose([Place(0, "degraded"), Place(1, live=9)], lane="live") == Place(1, live=9)


@pytest.mark.parametrize("doubtful", [Place(0, strikes=2), Place(0, suspects=1)])
def test_nobody_new_joins_a_suspect_or_a_worker_lost_again_and_again(doubtful: Place) -> None:
    busy = Place(1, live=7)
    assert choose([doubtful, busy], lane="live") is busy
    assert choose([doubtful], lane="live") is doubtful


def test_one_loss_is_forgiven() -> None:
    assert choose([Place(0, strikes=1), Place(1, live=1)], lane="live") == Place(0, strikes=1)


def test_a_live_session_goes_to_a_ready_worker_while_files_spread_over_those_that_load_too() -> None:
    ready, loading = Place(0, live=1, files=1), Place(1, "starting")
    assert home_of_new([ready, loading], lane="live") is ready
    assert home_of_new([ready, loading], lane="file") is loading


def test_without_a_ready_worker_a_session_waits_for_one_that_loads_rather_than_for_a_lost_one() -> None:
    lost, loading = Place(0, "degraded"), Place(1, "starting", live=3)
    for lane in ("live", "file"):
        assert home_of_new([lost, loading], lane=lane) is loading
        assert home_of_new([lost], lane=lane) is lost
    assert home_of_new([Place(0, "starting", strikes=3), Place(1)], lane="file") == Place(1)


def test_who_may_leave() -> None:
    assert may_leave("degraded", suspect=False, failed_starts=0)
    assert not may_leave("degraded", suspect=True, failed_starts=0)
    assert may_leave("degraded", suspect=True, failed_starts=1)
    assert not may_leave("starting", suspect=False, failed_starts=0)
    assert not may_leave("ok", suspect=False, failed_starts=0)
