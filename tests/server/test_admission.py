"""Who is let in, in virtual figures: workers that are only what they say, and a clock that is a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asr.client import WorkerStatus
from asr.load_average import LoadAverage, busy_with_more
from asr.placement import WorkerState
from asr.wire import Pong, Ready
from protocol.errors import Overloaded
from server.admission import FINISHING_FACTOR, RECORDED_FACTOR, Admission, load_ratio, obstacle
from server.settings import Settings


def worker(
    live: int = 0,
    busy: float = 0.0,
    *,
    averaged: float | None = None,
    cost: float | None = 0.0,
    interim_ms: int = 300,
    lag_ms: int = 0,
    state: WorkerState = "ok",
    streaming: bool = True,
    device: str = "cpu",
) -> WorkerStatus:
    """``averaged``: live sessions over the last seconds, as many as now unless said otherwise. ``cost``: of one, over
    the last minutes; None: nobody was there.
    """
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
        ready=Ready(engine="e", model="m", device=device, languages=(), reason="", streaming=streaming),
        session_cost=cost,
    )


def has_room(worker: WorkerStatus, settings: Settings) -> bool:
    return obstacle(worker, settings) is None


class Door:
    def __init__(self, settings: Settings) -> None:
        self.now_s = 1000.0
        self._admission = Admission(settings, clock=lambda: self.now_s)

    def refusal(self, *workers: WorkerStatus) -> Overloaded | None:
        return self.refusal_of_more(0, *workers)

    def refusal_of_more(self, coming: int, *workers: WorkerStatus) -> Overloaded | None:
        try:
            self._admission.admit_speaker((), workers, coming=coming)
        except Overloaded as error:
            return error
        return None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, disk_reserve_mb=0)


@pytest.fixture
def door(settings: Settings) -> Door:
    return Door(settings)


def test_files_that_wait_for_their_words_keep_no_speaker_out(settings: Settings) -> None:
    def many(source: str) -> list[Any]:
        return [SimpleNamespace(is_live=False, track=SimpleNamespace(source=source))] * (10 * settings.sessions_max)

    Admission(settings).admit_speaker(many("file"), ())
    with pytest.raises(Overloaded, match="all places are taken"):
        Admission(settings).admit_speaker(many("stream"), ())


def test_participants_of_meetings_are_recorded_though_nobody_has_time_to_hear_them(settings: Settings) -> None:
    def many(count: int) -> list[Any]:
        return [SimpleNamespace(track=SimpleNamespace(source=source)) for source in ("bot", "stream")] * count

    most = RECORDED_FACTOR * settings.sessions_max
    Admission(settings).admit_recorded(many(most - 1))
    with pytest.raises(Overloaded, match="all places are taken"):
        Admission(settings).admit_recorded(many(most))
    full = settings.model_copy(update={"disk_reserve_mb": 1 << 40})
    with pytest.raises(Overloaded, match="disk"):
        Admission(full).admit_recorded([])


@pytest.mark.parametrize(
    ("live", "busy", "room"),
    [(0, 0.0, True), (0, 0.85, True), (1, 0.45, True), (1, 0.46, False), (8, 0.79, True), (8, 0.81, False)],
)
def test_one_more_must_fit_by_what_those_cost_that_are_there(
    settings: Settings, live: int, busy: float, room: bool
) -> None:
    assert has_room(worker(live, busy), settings) is room


def live_ones(count: int, *, is_live: bool = True, lag_ms: int = 0) -> list[Any]:
    track, pipeline = SimpleNamespace(source="stream"), SimpleNamespace(lag_ms=lag_ms)
    return [SimpleNamespace(is_live=is_live, track=track, pipeline=pipeline)] * count


def test_how_full_a_node_is_goes_from_0_to_1_where_the_next_gets_no_place(settings: Settings, door: Door) -> None:
    assert load_ratio((), (), settings) == load_ratio((), (worker(),), settings) == 0.0
    most = settings.sessions_max
    assert load_ratio(live_ones(most // 2), (worker(),), settings) == 0.5
    assert load_ratio(live_ones(most), (worker(),), settings) == 1.0
    assert load_ratio(live_ones(FINISHING_FACTOR * most, is_live=False), (worker(),), settings) == 1.0
    assert load_ratio(live_ones(3 * most), (worker(),), settings) == 1.0
    # The recogniser, which is full before the places are: of two workers the one with more room counts.
    half = worker(9, settings.admission_busy_max / 2)
    assert load_ratio((), (half,), settings) == pytest.approx(0.5)
    full = worker(8, 0.85)
    assert door.refusal(full) is not None
    assert load_ratio((), (full,), settings) == 1.0
    assert load_ratio((), (full, half), settings) == pytest.approx(0.5)
    # While none is ready, how far those that are recorded are behind.
    behind_ms = int(settings.admission_lag_max_s * 250)
    starting = worker(state="starting")
    assert load_ratio(live_ones(1, lag_ms=behind_ms), (starting,), settings) == pytest.approx(0.25)
    assert load_ratio((), (worker(1, lag_ms=behind_ms),), settings) == pytest.approx(0.25)


@pytest.mark.parametrize("busy", [0.1, 0.45, 0.79, 0.81, 0.95])
def test_a_node_is_full_exactly_when_it_refuses(settings: Settings, door: Door, busy: float) -> None:
    assert (load_ratio((), (worker(8, busy),), settings) == 1.0) is (door.refusal(worker(8, busy)) is not None)


def test_a_worker_that_hears_nobody_has_room_however_slow_the_machine_is(settings: Settings) -> None:
    assert has_room(worker(0, 1.0, interim_ms=2000), settings)


def test_without_a_limit_only_lag_and_places_decide(settings: Settings) -> None:
    settings = settings.model_copy(update={"admission_busy_max": 0.0})
    assert has_room(worker(9, 1.0, interim_ms=2000), settings)
    assert not has_room(worker(9, 1.0, lag_ms=15_001), settings)


def test_those_that_just_came_are_counted_before_their_work_is() -> None:
    """Ten sessions in a second, of which the load says little as yet, are not ten that cost nothing."""
    assert busy_with_more(worker(10, 0.15, averaged=1.5)) == pytest.approx(1.1)
    # And those that left are no longer counted, though their work still is.
    assert busy_with_more(worker(1, 0.8, averaged=8.0)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("fresh", "let_in"),
    [
        (worker(cost=None), 12),
        (worker(cost=0.2), 5),  # pocketsphinx
        (worker(cost=0.03), 31),
        (worker(cost=None, device="cuda"), 46),
        (worker(cost=0.3, streaming=False), 11),  # at an interim a second a third of what it was
        (worker(cost=3.0), 1),  # the first is never refused
    ],
)
def test_of_those_that_come_at_once_as_many_are_let_in_as_sessions_were_measured_or_guessed_to_cost(
    door: Door, fresh: WorkerStatus, let_in: int
) -> None:
    """They are counted on their way to the worker, and there before the load can say anything of them."""
    taken = [replace(fresh, live=live) for live in range(50)]
    assert [door.refusal(at) is None for at in taken].index(False) == let_in
    assert [door.refusal_of_more(coming, fresh) is None for coming in range(50)].index(False) == let_in
    assert [door.refusal_of_more(coming, taken[1]) is None for coming in range(50)].index(False) == let_in - 1


def test_a_burst_is_shared_by_all_workers(door: Door) -> None:
    two = (worker(cost=0.2), worker(cost=0.2))
    assert [door.refusal_of_more(coming, *two) is None for coming in range(20)].index(False) == 10
    busy = (worker(cost=0.2), worker(20, 1.0))
    assert [door.refusal_of_more(coming, *busy) is None for coming in range(20)].index(False) == 5


def test_ten_that_come_in_a_second_are_let_in_and_thirty_are_not_until_they_are_measured(settings: Settings) -> None:
    """A fast engine, 0.02 for a session, of which a worker tells the mean of five seconds."""
    load, there = LoadAverage(), 0
    for second in range(40):
        there += sum(
            has_room(worker(there + more, load.busy, averaged=load.live, cost=load.session_cost), settings)
            for more in range(30 - there)
        )
        if second == 0:
            assert 10 <= there < 20
        load.add(0.02 * there * min(1.0, (second + 1) / 5), there, float(second))
    assert there == 30


def test_those_whom_the_load_says_nothing_of_count_whatever_others_cost(settings: Settings) -> None:
    """Ten came at once a second ago: measured they are next to nothing as yet."""
    burst = worker(12, 0.01, averaged=1.2, cost=None)
    assert not has_room(burst, settings)
    assert has_room(replace(burst, live_average=12.0), settings)


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


def test_interims_that_are_stretched_are_named_as_the_reason(door: Door) -> None:
    refusal = door.refusal(worker(2, 0.1, interim_ms=2000), worker(2, 0.1, interim_ms=3000))
    assert refusal is not None
    assert refusal.details == {"interim_ms": 2000, "retry_after_s": 5}
    assert "less often" in refusal.message
    # Of several workers the one that is nearest to having room says why it has none.
    refusal = door.refusal(worker(2, 0.1, interim_ms=2000), worker(20, 1.0))
    assert refusal is not None
    assert refusal.details == {"busy": 1.05, "retry_after_s": 5}
    refusal = door.refusal(worker(2, 0.1, lag_ms=15_001), worker(2, 0.1, interim_ms=2000))
    assert refusal is not None
    assert "interim_ms" in refusal.details


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
