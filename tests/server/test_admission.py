"""Who is let in, in virtual figures: workers that are only what they say, and a clock that is a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from asr.client import WorkerStatus
from asr.load_average import LoadAverage, busy_with_one_more
from asr.placement import WorkerState
from asr.wire import Pong, Ready
from protocol.errors import Overloaded
from server.admission import Admission, has_room
from server.settings import Settings


def worker(
    live: int = 0,
    busy: float = 0.0,
    *,
    averaged: float | None = None,
    interim_ms: int = 300,
    lag_ms: int = 0,
    state: WorkerState = "ok",
    streaming: bool = True,
) -> WorkerStatus:
    """``averaged``: live sessions over the last seconds, as many as now unless said otherwise."""
    return WorkerStatus(
        index=0,
        pid=1,
        state=state,
        reason="",
        sessions=live,
        live=live,
        files=0,
        restarts=0,
        resident_mb=None,
        lag_ms=lag_ms,
        busy_average=busy,
        live_average=float(live) if averaged is None else averaged,
        pong=Pong(number=1, interim_ms=interim_ms),
        ready=Ready(engine="e", model="m", device="cpu", languages=(), reason="", streaming=streaming),
    )


class Door:
    def __init__(self, settings: Settings) -> None:
        self.now_s = 1000.0
        self._admission = Admission(settings, clock=lambda: self.now_s)

    def refusal(self, *workers: WorkerStatus) -> Overloaded | None:
        try:
            self._admission.admit_speaker((), workers)
        except Overloaded as error:
            return error
        return None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, disk_reserve_mb=0)


@pytest.fixture
def door(settings: Settings) -> Door:
    return Door(settings)


@pytest.mark.parametrize(
    ("live", "busy", "room"),
    [(0, 0.0, True), (0, 0.85, True), (1, 0.45, True), (1, 0.46, False), (8, 0.79, True), (8, 0.81, False)],
)
def test_one_more_must_fit_by_what_those_cost_that_are_there(
    settings: Settings, live: int, busy: float, room: bool
) -> None:
    assert has_room(worker(live, busy), settings) is room


def test_a_worker_that_hears_nobody_has_room_however_slow_the_machine_is(settings: Settings) -> None:
    assert has_room(worker(0, 1.0, interim_ms=2000), settings)


def test_without_a_limit_only_lag_and_places_decide(settings: Settings) -> None:
    settings = settings.model_copy(update={"admission_busy_max": 0.0})
    assert has_room(worker(9, 1.0, interim_ms=2000), settings)
    assert not has_room(worker(9, 1.0, lag_ms=15_001), settings)


def test_those_that_just_came_are_counted_before_their_work_is() -> None:
    """Ten sessions in a second, of which the load says little as yet, are not ten that cost nothing."""
    assert busy_with_one_more(worker(10, 0.15, averaged=1.5)) == pytest.approx(1.1)
    # And those that left are no longer counted, though their work still is.
    assert busy_with_one_more(worker(1, 0.8, averaged=8.0)) == pytest.approx(0.2)


def test_a_burst_at_a_first_session_s_beginning_does_not_keep_the_second_away(settings: Settings) -> None:
    load = LoadAverage()
    for second in range(3):
        load.add(1.0, 1, float(second))
    assert has_room(worker(1, load.busy, averaged=load.live), settings)


def test_a_steady_load_is_seen_within_ten_seconds(settings: Settings) -> None:
    load = LoadAverage()
    seconds = next(second for second in range(60) if not has_room(_after(load, second), settings))
    assert seconds <= 10


def _after(load: LoadAverage, second: int) -> WorkerStatus:
    load.add(1.0, 1, float(second))
    return worker(1, load.busy, averaged=load.live)


def test_an_engine_that_may_make_fewer_interims_is_not_full_until_it_does(settings: Settings) -> None:
    assert has_room(worker(10, 0.95, interim_ms=500, streaming=False), settings)
    assert not has_room(worker(10, 0.95, interim_ms=1000, streaming=False), settings)
    assert not has_room(worker(10, 0.95, interim_ms=500), settings)


def test_stretched_beyond_a_second_is_full_whatever_the_load_says(settings: Settings) -> None:
    assert not has_room(worker(2, 0.1, interim_ms=2000), settings)
    wanted = settings.model_copy(update={"interim_interval_ms": 3000})
    assert has_room(worker(2, 0.1, interim_ms=3000), wanted)


def test_far_behind_is_full(settings: Settings, door: Door) -> None:
    late = worker(1, 0.1, lag_ms=15_001)
    assert not has_room(late, settings)
    refusal = door.refusal(late)
    assert refusal is not None
    assert "behind" in refusal.message
    assert refusal.details["lag_s"] == 15.001


@pytest.mark.parametrize(
    "workers",
    [
        [worker(20, 1.0), worker(2, 0.2)],
        [worker(20, 1.0), worker(2, 0.2, state="degraded"), worker()],
        [worker(20, 1.0, state="starting")],
        [worker(20, 1.0, state="degraded")],
        [],
    ],
)
def test_one_worker_with_room_is_enough_and_without_a_ready_one_sound_is_recorded(
    door: Door, workers: Sequence[WorkerStatus]
) -> None:
    assert door.refusal(*workers) is None


def test_one_that_is_not_ready_makes_no_room(door: Door) -> None:
    refusal = door.refusal(worker(20, 1.0), worker(0, 0.0, state="starting"))
    assert refusal is not None
    assert "busy" in refusal.message
    assert refusal.details == {"busy": 1.05, "retry_after_s": 5}


def test_the_longer_it_has_been_full_the_longer_one_is_sent_away(door: Door) -> None:
    full, free = worker(20, 1.0), worker(1, 0.1)

    def sent_away_s(after_s: float) -> float | None:
        door.now_s += after_s
        refusal = door.refusal(full)
        assert refusal is not None
        return refusal.retry_after_s

    assert [sent_away_s(after_s) for after_s in (0, 2, 18, 20, 50)] == [5, 5, 20, 40, 60]
    assert door.refusal(free) is None
    assert sent_away_s(1) == 5
    sent_away_s(30)
    assert sent_away_s(3600) == 5  # nobody asked meanwhile
