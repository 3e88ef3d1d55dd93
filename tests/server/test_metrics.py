"""Figures: read when asked, measured while running."""

from __future__ import annotations

import asyncio

from server.metrics import TICK_S, Metrics


async def test_the_loop_lag_is_measured_and_the_ticker_stops() -> None:
    metrics = Metrics()
    metrics.start()
    async with asyncio.timeout(5):
        while b"earshot_event_loop_lag_seconds_count 0.0" in metrics.text():  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
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
