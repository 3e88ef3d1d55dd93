"""Watches the recogniser's workers: what they did goes to the metrics and to the page that draws the last minute."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from asr.wire import Pong, Ran
from server.engine_metrics import EngineMetrics, WorkerView
from server.last_minute import LastMinute

LOOK_S = 1.0  # as often as workers tell their figures


@dataclass(slots=True)
class _Seen:
    """What was last seen of a worker; its counts are since the start of the process ``pid``."""

    pid: int | None = None
    state: str = ""
    restarts: int = 0
    pong: Pong = field(default_factory=lambda: Pong(number=0))


class LoopWatch:
    """``ran`` is told of every step; once a second the workers are looked at.

    Workers count since their own start. Here these counts become counts since ours: a worker that was started anew is
    added to what its forerunner had. What that one did after it was last looked at, within two seconds, is not counted.
    """

    def __init__(self, metrics: EngineMetrics, minute: LastMinute | None = None) -> None:
        self.minute = minute or LastMinute()
        self._metrics = metrics
        self._seen: dict[int, _Seen] = {}
        self._task: asyncio.Task[None] | None = None

    def ran(self, worker: int, ran: Ran) -> None:
        self.minute.ran(worker, ran)
        self._metrics.ran(ran)

    def look(self, workers: Sequence[WorkerView]) -> None:
        """Count what is new since the last look."""
        for worker in workers:
            seen = self._seen.setdefault(worker.index, _Seen())
            self._note_state(seen, worker)
            if worker.pong is not None:
                self._count(seen, worker, worker.pong)

    def _note_state(self, seen: _Seen, worker: WorkerView) -> None:
        lost = worker.restarts - seen.restarts
        if lost > 0:
            self._metrics.lost(worker.index, lost)
            self.minute.note(worker.index, "lost")
        if worker.state == "ok" and (seen.state != "ok" or lost > 0):
            self.minute.note(worker.index, "ready")
        seen.restarts, seen.state = worker.restarts, worker.state

    def _count(self, seen: _Seen, worker: WorkerView, pong: Pong) -> None:
        if worker.pid != seen.pid or pong.number < seen.pong.number:
            seen.pid, seen.pong = worker.pid, Pong(number=0)
        guard_hits = _more(seen.pong.guard_hits, pong.guard_hits)
        self._metrics.counted(
            utterances=max(0, pong.utterances - seen.pong.utterances),
            interims_dropped=max(0, pong.interims_dropped - seen.pong.interims_dropped),
            guard_hits=guard_hits,
        )
        self._metrics.looked_for_voices(
            windows=max(0, pong.voice_windows - seen.pong.voice_windows),
            left_out=max(0, pong.voice_windows_dropped - seen.pong.voice_windows_dropped),
            failures=max(0, pong.voice_failures - seen.pong.voice_failures),
        )
        self._metrics.looked_for_changes(
            times=max(0, pong.segmentations - seen.pong.segmentations),
            left_out=max(0, pong.segmentations_left_out - seen.pong.segmentations_left_out),
        )
        for guard in guard_hits:
            self.minute.note(worker.index, "guard", guard)
        seen.pong = pong

    def start(self, workers: Callable[[], Sequence[WorkerView]]) -> None:
        self._task = asyncio.create_task(self._look_on(workers), name="loop watch")

    async def stop(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _look_on(self, workers: Callable[[], Sequence[WorkerView]]) -> None:
        while True:
            self.look(workers())
            await asyncio.sleep(LOOK_S)


def _more(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """What grew, by how much."""
    return {name: hits - before.get(name, 0) for name, hits in now.items() if hits > before.get(name, 0)}
