"""Figures: read when asked, measured while running."""

from __future__ import annotations

from server.metrics import Metrics
from tests.fakes.waiting import until


async def test_the_loop_lag_is_measured_and_the_ticker_stops() -> None:
    metrics = Metrics()
    metrics.start()
    await until(lambda: b"earshot_event_loop_lag_seconds_count 0.0" not in metrics.text())
    await metrics.stop()
    await metrics.stop()


def test_gauges_are_read_when_somebody_looks() -> None:
    metrics = Metrics()
    values = [1.0, 2.0]
    metrics.watch("things", "How many.", lambda: values.pop(0))
    assert b"earshot_things 1.0" in metrics.text()
    assert b"earshot_things 2.0" in metrics.text()


def test_odd_methods_do_not_make_new_labels() -> None:
    metrics = Metrics()
    metrics.served("CANARY", "unknown", 405, 0.1)
    assert b"CANARY" not in metrics.text()
