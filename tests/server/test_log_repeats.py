from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from server.bus import InProcessBus
from server.journal import Journal
from server.log_repeats import EVERY_S, REMEMBERED_MAX, LogRepeats
from server.store.store import Store
from tests.fakes.waiting import until
from tests.server.spoken import status


class Log:
    def __init__(self) -> None:
        self.now_s = 0.0
        self._repeats = LogRepeats(lambda: self.now_s)

    def says(self, event: str, method: str = "warning", **fields: object) -> int | None:
        """Whether it is written: how often it is said to have been said."""
        try:
            line = self._repeats(None, method, {"event": event, "timestamp": self.now_s, **fields})
        except structlog.DropEvent:
            return None
        times = line.get("times", 1)
        assert isinstance(times, int)
        return times


def is_told(lines: Sequence[Mapping[str, Any]], waiting: int) -> bool:
    return any(line.get("waiting") == waiting for line in lines)


@pytest.fixture
def log() -> Log:
    return Log()


def test_what_is_said_again_and_again_is_written_now_and_then_and_counted(log: Log) -> None:
    written = []
    for log.now_s in range(0, 2 * round(EVERY_S) + 1, 10):
        written.append(log.says("away", error="refused", request_id=f"req_{log.now_s}"))
    assert written == [1, None, None, 3, None, None, 3]
    log.now_s += 2 * EVERY_S
    assert log.says("away", error="refused") == 1


def test_whatever_differs_or_is_worse_is_written(log: Log) -> None:
    for _ in range(2):
        assert log.says("away", method="error") == 1
        assert log.says("away", method="info") == 1
        assert log.says("away", exc_info=True) == 1
    assert [log.says("away", transcript=name) for name in ("a", "b", "a")] == [1, 1, None]


async def test_that_events_wait_is_one_warning_however_many_they_are(sqlite_url: str, log: Log) -> None:
    store = await Store.open(sqlite_url)
    made = (await store.create_transcript()).id
    journal = Journal(store, InProcessBus(), commit_interval_s=0.0)
    store._is_open = False
    with capture_logs() as lines:
        journal.start()
        for count in (1, 2, 3):
            given = journal.give(made, [status("waits")])
            await until(partial(is_told, lines, count))
        store._is_open = True
        await journal.outcome(given, patient=True)
        await journal.stop()
    await store.close()
    said = [line for line in lines if "waiting" in line]
    assert [log.says(**line) for line in said] == [1] + [None] * (len(said) - 1)


def test_no_more_is_remembered_than_may_be(log: Log) -> None:
    for number in range(REMEMBERED_MAX + 1):
        assert log.says("away", transcript=number) == 1
    assert [log.says("away", transcript=number) for number in (REMEMBERED_MAX, 1, 0)] == [None, None, 1]


def test_threads_that_say_many_things_at_once_are_not_in_each_others_way() -> None:
    switched_s = sys.getswitchinterval()
    log = Log()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            said = [threads.submit(log.says, f"{number}") for number in range(40 * REMEMBERED_MAX)]
    finally:
        sys.setswitchinterval(switched_s)
    assert {each.result() for each in said} == {1}
