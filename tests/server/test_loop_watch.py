"""Counts of workers become counts of the node, over every restart."""

from __future__ import annotations

import asyncio

from asr.wire import Pong, Ran
from server.loop_watch import LoopWatch
from server.metrics import Metrics
from tests.server.test_engine_metrics import Worker, values


def pong(number: int, utterances: int, dropped: int = 0, **guard_hits: int) -> Pong:
    return Pong(number=number, utterances=utterances, interims_dropped=dropped, guard_hits=guard_hits)


def test_counts_go_on_over_a_restart() -> None:
    metrics = Metrics()
    watch = LoopWatch(metrics.engine)
    watch.look([Worker(pid=1, pong=pong(3, 10, 4, repeats=1))])
    watch.look([Worker(pid=1, pong=pong(4, 12, 4, repeats=1))])
    watch.look([Worker(pid=1, pong=pong(4, 12, 4, repeats=1))])  # nothing new was told
    watch.look([Worker(pid=None, state="degraded", restarts=1)])
    watch.look([Worker(pid=2, restarts=1, pong=pong(1, 5, 1, repeats=2, silence=1))])
    now = values(metrics)
    assert now["earshot_engine_utterances_total"] == 17
    assert now["earshot_engine_interims_dropped_total"] == 5
    assert now['earshot_engine_guard_hits_total{guard="repeats"}'] == 3
    assert now['earshot_engine_guard_hits_total{guard="silence"}'] == 1
    assert now['earshot_engine_worker_restarts_total{worker="0"}'] == 1


def test_a_number_that_falls_is_a_process_that_began_anew() -> None:
    """The system may give its number to the next process as well."""
    metrics = Metrics()
    watch = LoopWatch(metrics.engine)
    watch.look([Worker(pid=1, pong=pong(9, 10))])
    watch.look([Worker(pid=1, pong=pong(1, 12))])
    assert values(metrics)["earshot_engine_utterances_total"] == 22


def test_each_worker_is_counted_by_itself() -> None:
    metrics = Metrics()
    watch = LoopWatch(metrics.engine)
    watch.look([Worker(0, pid=1, pong=pong(1, 10)), Worker(1, pid=2, pong=pong(1, 3))])
    watch.look([Worker(0, pid=1, pong=pong(2, 11)), Worker(1, pid=2, pong=pong(2, 3))])
    assert values(metrics)["earshot_engine_utterances_total"] == 14


def test_what_was_left_out_of_telling_voices_apart_is_counted() -> None:
    metrics = Metrics()
    watch = LoopWatch(metrics.engine)
    voices = {"voice_windows": 20, "voice_windows_dropped": 3, "voice_failures": 1}
    changes = {"segmentations": 5, "segmentations_left_out": 2}
    watch.look([Worker(pid=1, pong=Pong(number=1, **voices, **changes))])
    watch.look([Worker(pid=1, pong=Pong(number=2, **(voices | {"voice_windows": 21}), **changes))])
    now = values(metrics)
    assert now["earshot_engine_voice_windows_total"] == 21
    assert now["earshot_engine_voice_windows_left_out_total"] == 3
    assert now["earshot_engine_voice_failures_total"] == 1
    assert now["earshot_engine_segmentations_total"] == 5
    assert now["earshot_engine_segmentations_left_out_total"] == 2


def test_what_is_out_of_the_ordinary_is_noted_once() -> None:
    watch = LoopWatch(Metrics().engine)
    watch.look([Worker(pid=1, pong=pong(1, 0))])
    watch.look([Worker(pid=1, pong=pong(2, 1, repeats=2))])
    watch.look([Worker(pid=1, pong=pong(3, 1, repeats=2))])
    watch.look([Worker(pid=None, state="degraded", restarts=1)])
    watch.look([Worker(pid=2, restarts=1)])
    assert [(note.what, note.detail) for note in watch.minute.notes()] == [
        ("ready", ""),
        ("guard", "repeats"),
        ("lost", ""),
        ("ready", ""),
    ]


def test_a_loss_between_two_looks_is_noted_too() -> None:
    metrics = Metrics()
    watch = LoopWatch(metrics.engine)
    watch.look([Worker(pid=1)])
    watch.look([Worker(pid=3, restarts=2)])
    assert [note.what for note in watch.minute.notes()] == ["ready", "lost", "ready"]
    assert values(metrics)['earshot_engine_worker_restarts_total{worker="0"}'] == 2


def test_a_step_goes_to_the_metrics_and_to_the_page() -> None:
    metrics = Metrics()
    watch = LoopWatch(metrics.engine)
    watch.ran(2, Ran(kind="file", size=1, batch_max=4, wait_ms=1, run_ms=2))
    assert [ended.worker for ended in watch.minute.steps()] == [2]
    assert values(metrics)['earshot_engine_batch_size_count{kind="file"}'] == 1


async def test_it_looks_until_it_is_stopped() -> None:
    watch = LoopWatch(Metrics().engine)
    looked = asyncio.Event()

    def workers() -> list[Worker]:
        looked.set()
        return []

    watch.start(workers)
    async with asyncio.timeout(5):
        await looked.wait()
    await watch.stop()
    await watch.stop()
