"""The last minute of the workers' steps: bounded, in order, one worker's never at another's cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.wire import Ran
from server.last_minute import NOTES_MAX, STEPS_MAX, WINDOW_S, LastMinute


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def step(kind: str = "interim") -> Ran:
    return Ran.model_validate({"kind": kind, "size": 3, "batch_max": 8, "wait_ms": 20.0, "run_ms": 80.0})


def test_steps_of_all_workers_come_in_order_and_once() -> None:
    minute = LastMinute(Clock())
    for worker in (0, 1, 1, 0, 2):
        minute.ran(worker, step())
    assert [(ended.number, ended.worker) for ended in minute.steps()] == [(1, 0), (2, 1), (3, 1), (4, 0), (5, 2)]
    assert [ended.number for ended in minute.steps(after=3)] == [4, 5]
    assert minute.steps(after=minute.last) == []


def test_what_is_older_than_a_minute_is_gone() -> None:
    clock = Clock()
    minute = LastMinute(clock)
    minute.ran(0, step())
    minute.note(0, "lost")
    clock.now_s += WINDOW_S / 2
    minute.ran(1, step())
    clock.now_s += WINDOW_S / 2 + 1
    assert [ended.worker for ended in minute.steps()] == [1]
    assert minute.notes() == []


def test_a_busy_worker_pushes_nothing_out_of_anothers_ring() -> None:
    minute = LastMinute(Clock())
    minute.ran(0, step("final"))
    for _ in range(STEPS_MAX + 10):
        minute.ran(1, step())
    kept = minute.steps(limit=10 * STEPS_MAX)
    assert len(kept) == STEPS_MAX + 1
    assert kept[0].ran.kind == "final"


def test_of_many_the_next_are_told() -> None:
    minute = LastMinute(Clock())
    for number in range(30):
        minute.ran(number % 2, step())
    assert [ended.number for ended in minute.steps(limit=4)] == [1, 2, 3, 4]
    assert [ended.number for ended in minute.steps(after=4, limit=4)] == [5, 6, 7, 8]
    assert [ended.number for ended in minute.steps(after=28, limit=4)] == [29, 30]


def test_notes_are_bounded() -> None:
    minute = LastMinute(Clock())
    for number in range(NOTES_MAX + 5):
        minute.note(0, "guard", str(number))
    assert [note.detail for note in minute.notes()] == [str(number) for number in range(5, NOTES_MAX + 5)]


def test_guards_that_strike_all_the_time_push_no_loss_out() -> None:
    clock = Clock()
    minute = LastMinute(clock)
    minute.note(1, "guard", "first")
    clock.now_s += 1
    minute.note(1, "lost")
    clock.now_s += 1
    for _ in range(NOTES_MAX):
        minute.note(0, "guard", "loop")
    clock.now_s += 1
    minute.note(1, "ready")
    assert [note.what for note in minute.notes()] == ["lost", *["guard"] * NOTES_MAX, "ready"]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 20)), max_size=60), st.integers(0, 70), st.integers(1, 70))
def test_whatever_happened_the_answer_is_the_next_of_the_last_minute(
    steps: list[tuple[int, float]], after: int, limit: int
) -> None:
    clock = Clock()
    minute = LastMinute(clock)
    told = []
    for worker, pause_s in steps:
        clock.now_s += pause_s
        minute.ran(worker, step())
        told.append((minute.last, clock.now_s))
    wanted = [number for number, at_s in told if number > after and at_s >= clock.now_s - WINDOW_S][:limit]
    assert [ended.number for ended in minute.steps(after=after, limit=limit)] == wanted
