from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from asr import wire
from asr.aside import NICER_BY, Aside
from asr.contract import SessionOptions
from asr.listening import ListeningSession

WAIT_S = 30.0


def session(name: str) -> ListeningSession:
    opened = wire.Open(session_id=name, generation=3, start_samples=0, options=SessionOptions())
    return ListeningSession(opened, None, silence_samples=9600, max_samples=160_000)


class Bench:
    def __init__(self, *, in_thread: bool = True) -> None:
        self.said: list[BaseModel] = []
        self.spent: list[tuple[float, float]] = []
        self.came: list[tuple[Any, float]] = []
        self.aside = Aside(self.said.append, time.monotonic, lambda *span: self.spent.append(span), in_thread=in_thread)

    def begin(self, work: Callable[[], Any], **options: bool) -> None:
        self.aside.begin(
            [session("a"), session("b"), session("a")], work, lambda *what: self.came.append(what), **options
        )

    def look_until_over(self) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not self.aside.look():
            assert time.monotonic() < deadline_s
            time.sleep(0.001)


def test_what_comes_then_is_done_by_whoever_looks() -> None:
    bench, goes_on = Bench(), threading.Event()
    bench.begin(lambda: goes_on.wait(WAIT_S) and threading.current_thread().name, changes=True)
    assert (bench.aside.busy, bench.aside.has("b"), bench.aside.has("c")) == (True, True, False)
    assert not bench.aside.look()
    assert bench.came == []
    goes_on.set()
    bench.look_until_over()
    [(name, took_s)] = bench.came
    assert name == "aside"
    [(began_s, ended_s)] = bench.spent
    assert took_s == ended_s - began_s
    assert bench.said == [wire.Beside(voices=(("a", 3), ("b", 3)), changes=True), wire.Beside(voices=())]
    assert (bench.aside.busy, bench.aside.has("b"), bench.aside.look()) == (False, False, False)


def test_whoever_needs_it_waits() -> None:
    bench = Bench()
    bench.aside.wait()  # for nothing
    goes_on = threading.Event()
    letting_go = threading.Timer(0.05, goes_on.set)
    letting_go.start()
    bench.begin(lambda: goes_on.wait(WAIT_S))
    bench.aside.wait()
    assert [outcome for outcome, _ in bench.came] == [True]
    letting_go.join()


def test_what_fails_comes_as_what_it_raised() -> None:
    bench = Bench()

    def fail() -> None:
        raise ValueError("no")

    bench.begin(fail)
    bench.aside.wait()
    assert isinstance(bench.came[0][0], ValueError)


def test_a_call_may_follow_from_what_came() -> None:
    bench, answers = Bench(), []

    def then(outcome: Any, took_s: float) -> None:
        answers.append(outcome)
        if outcome < 3:
            bench.aside.begin([session("a")], lambda: outcome + 1, then)

    bench.aside.begin([session("a")], lambda: 1, then)
    while bench.aside.busy:
        bench.aside.wait()
    assert answers == [1, 2, 3]


def test_without_a_thread_it_is_over_at_once_and_its_time_is_the_caller_s() -> None:
    bench = Bench(in_thread=False)
    bench.begin(threading.get_ident)
    assert [outcome for outcome, _ in bench.came] == [threading.get_ident()]
    assert (bench.aside.busy, bench.spent) == (False, [])


def test_it_is_nicer_than_the_words_where_threads_can_be() -> None:
    bench, before = Bench(), os.getpriority(os.PRIO_PROCESS, 0)
    bench.begin(lambda: os.getpriority(os.PRIO_PROCESS, 0))  # on Linux that of the thread that asks
    bench.aside.wait()
    assert bench.came[0][0] == (min(19, before + NICER_BY) if sys.platform == "linux" else before)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
