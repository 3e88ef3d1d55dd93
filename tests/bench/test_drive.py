from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from pydantic import BaseModel

from asr import wire
from tests.bench.clocks import ComputedClock
from tests.bench.drive import PIECE_SAMPLES, Drive, Outcome, Span, Talk


@dataclass
class _Processor:
    """Its time goes on when something is said to have been computed."""

    spent_s: float = 0.0

    def __call__(self) -> float:
        return self.spent_s


@dataclass
class _Loop:
    """Every second of a session's sound costs ``cost_s`` and is told at once."""

    cost_s: float
    processor: _Processor
    tell: Callable[[BaseModel], None]
    positions: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    markers: list[wire.Finalize] = field(default_factory=list)

    def take(self, message: wire.ToWorker, payload: bytes = b"") -> None:
        if isinstance(message, wire.Open):
            self.told[message.session_id] = self.positions[message.session_id] = 0
        elif isinstance(message, wire.Audio):
            assert message.start_samples == self.positions[message.session_id]
            self.positions[message.session_id] += len(payload) // 2
        elif isinstance(message, wire.Finalize):
            self.markers.append(message)

    def turn(self) -> bool:
        for name, position in self.positions.items():
            if position - self.told[name] >= 10 * PIECE_SAMPLES:
                self.processor.spent_s += self.cost_s
                self.told[name] = position
                self.tell(
                    wire.Heard(
                        session_id=name,
                        generation=1,
                        start_samples=0,
                        end_samples=position,
                        words=(),
                        final=False,
                        through_samples=position,
                    )
                )
                return True
        for message in self.markers:
            self.tell(wire.Marker(session_id=message.session_id, generation=1, marker=message.marker))
        self.markers.clear()
        return False

    def next_due_s(self) -> float | None:
        return None


def _drive(sessions: int, cost_s: float, seconds: float = 12.0) -> Outcome:
    processor = _Processor()
    pieces = int(seconds * 10)
    talk = Talk(np.zeros(pieces * PIECE_SAMPLES, np.int16), np.ones(pieces, bool))
    span = Span(1.0, 2.0, seconds)
    return Drive(
        lambda tell, clock: _Loop(cost_s, processor, tell), [talk] * sessions, span, ComputedClock(processor)
    ).run()


def test_a_loop_that_computes_half_the_time_is_half_busy_and_keeps_up() -> None:
    outcome = _drive(5, 0.1)
    assert outcome.busy == pytest.approx(0.5, abs=0.1)
    assert outcome.kept.up
    assert 0 < outcome.kept.lag_p95_ms < 500
    assert not outcome.stopped


def test_one_that_is_asked_for_more_than_there_is_time_falls_behind_and_is_stopped() -> None:
    outcome = _drive(30, 0.1, 40.0)
    assert outcome.busy == pytest.approx(1.0, abs=0.01)
    assert not outcome.kept.up
    assert outcome.stopped


def test_a_drive_ends_when_all_sound_is_through() -> None:
    processor = _Processor()
    talk = Talk(np.zeros(20 * PIECE_SAMPLES, np.int16), np.ones(20, bool))
    clock = ComputedClock(processor)
    told: list[BaseModel] = []
    span = Span(0.0, 0.0, 1000.0)
    Drive(lambda tell, now: _Loop(0.1, processor, tell), [talk], span, clock, told.append).run()
    assert clock.now_s() < 5
    assert [message.through_samples // PIECE_SAMPLES for message in told if isinstance(message, wire.Heard)] == [10, 20]


def test_the_bench_s_own_work_takes_no_time() -> None:
    processor = _Processor()
    clock = ComputedClock(processor)
    with clock.aside():
        processor.spent_s += 5
    assert clock.now_s() == 0
    processor.spent_s += 1
    clock.wait_until(3.0)
    clock.wait_until(2.0)
    assert (clock.now_s(), clock.idle_s) == (3.0, 2.0)
