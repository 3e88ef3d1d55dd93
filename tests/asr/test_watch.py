from __future__ import annotations

from asr.watch import Backoff, Heartbeat


def test_one_ping_is_out_at_a_time() -> None:
    heartbeat = Heartbeat(deadline_s=5, interval_s=1)
    assert heartbeat.look(0.0) == 1
    assert heartbeat.look(1.0) is None
    heartbeat.answered(1)
    assert heartbeat.look(2.0) == 2


def test_silence_beyond_the_deadline_is_overdue() -> None:
    heartbeat = Heartbeat(deadline_s=3, interval_s=1)
    for second in range(3):
        heartbeat.look(float(second))
        assert not heartbeat.overdue
    heartbeat.look(3.0)
    assert heartbeat.overdue


def test_an_answer_ends_the_silence() -> None:
    heartbeat = Heartbeat(deadline_s=3, interval_s=1)
    for second in range(20):
        number = heartbeat.look(float(second))
        if second % 2:
            heartbeat.answered(99)
        assert number or second
    assert not heartbeat.overdue


def test_any_sign_of_life_ends_the_silence() -> None:
    heartbeat = Heartbeat(deadline_s=3, interval_s=1)
    for second in range(20):
        heartbeat.look(float(second))
        heartbeat.said_something()
    assert not heartbeat.overdue
    assert heartbeat.look(20.0) is None


def test_our_own_sleep_is_not_held_against_it() -> None:
    heartbeat = Heartbeat(deadline_s=5, interval_s=1)
    heartbeat.look(0.0)
    heartbeat.look(1000.0)
    assert not heartbeat.overdue


def test_delays_double_to_a_cap_and_start_again_after_health() -> None:
    backoff = Backoff(first_s=1, cap_s=5, healthy_after_s=10)
    assert [backoff.after(0) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert backoff.after(9) == 5
    assert backoff.after(10) == 1
    assert backoff.after(0) == 2
