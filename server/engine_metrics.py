"""Figures of the recogniser's workers for Prometheus. Labels are kinds of steps, guards and workers, never sessions.

What happened is counted (``ran``, ``counted``, ``lost``); what is so now is read when somebody looks (``watch``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from asr.wire import Pong, Ran

_SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_FILLS = tuple(tenth / 10 for tenth in range(1, 11))
_WAIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0, 60.0)
_STEP_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 15.0)
_LAGS_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_MB = 1 << 20


class WorkerView(Protocol):
    """One inference process, as its client sees it. ``pong``: its latest figures; None: it has told none yet."""

    @property
    def index(self) -> int: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def state(self) -> str: ...
    @property
    def sessions(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def resident_mb(self) -> float | None: ...
    @property
    def pong(self) -> Pong | None: ...


class SessionView(Protocol):
    """One session of the recogniser. ``lane``: ``live`` or ``file``."""

    @property
    def session_id(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def lag_ms(self) -> int: ...


class EngineMetrics:
    """Belongs to ``Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        r = registry
        self._size = Histogram("earshot_engine_batch_size", "Entries in a step.", ["kind"], registry=r, buckets=_SIZES)
        self._fill = Histogram(
            "earshot_engine_batch_fill", "Entries in a step, as a share of what one takes.", registry=r, buckets=_FILLS
        )
        self._wait_s = Histogram(
            "earshot_engine_queue_wait_seconds",
            "How long the most overdue entry of a step had been wanted.",
            ["kind"],
            registry=r,
            buckets=_WAIT_S,
        )
        self._step_s = Histogram(
            "earshot_engine_step_seconds", "Time of a step of the engine.", ["kind"], registry=r, buckets=_STEP_S
        )
        self._heard_samples = Counter(
            "earshot_engine_sound_samples", "New samples of sound that went into steps.", ["kind"], registry=r
        )
        self._listened = Counter(
            "earshot_engine_listened_frames", "Frames of 32 ms that voice activity looked at.", registry=r
        )
        self._listen_s = Counter("earshot_engine_listen_seconds", "Time spent on voice activity.", registry=r)
        self._utterances = Counter("earshot_engine_utterances", "Utterances that ended.", registry=r)
        self._dropped = Counter(
            "earshot_engine_interims_dropped", "Interims left out because the cadence was stretched.", registry=r
        )
        self._windows = Counter(
            "earshot_engine_voice_windows", "Windows of sound whose voice was looked for.", registry=r
        )
        self._windows_left_out = Counter(
            "earshot_engine_voice_windows_left_out", "Windows for which there was no time.", registry=r
        )
        self._voices_lost = Counter(
            "earshot_engine_voice_failures",
            "Sessions whose voices were no longer told apart because something failed.",
            registry=r,
        )
        self._changes = Counter(
            "earshot_engine_segmentations", "Stretches of sound in which changes of voices were looked for.", registry=r
        )
        self._changes_left_out = Counter(
            "earshot_engine_segmentations_left_out",
            "Finals before which there was no time to look for changes of voices.",
            registry=r,
        )
        self._guards = Counter(
            "earshot_engine_guard_hits", "Times a guard against invented text struck.", ["guard"], registry=r
        )
        self._lost = Counter("earshot_engine_worker_restarts", "Times a worker ended unasked.", ["worker"], registry=r)

    def ran(self, ran: Ran) -> None:
        """A step ended."""
        self._size.labels(ran.kind).observe(ran.size)
        self._fill.observe(ran.size / max(1, ran.batch_max))
        self._wait_s.labels(ran.kind).observe(ran.wait_ms / 1000)
        self._step_s.labels(ran.kind).observe(ran.run_ms / 1000)
        self._heard_samples.labels(ran.kind).inc(ran.sound_samples)
        self._listened.inc(ran.listened_frames)
        self._listen_s.inc(ran.listen_ms / 1000)

    def counted(self, *, utterances: int, interims_dropped: int, guard_hits: Mapping[str, int]) -> None:
        """So many more than when last told."""
        self._utterances.inc(utterances)
        self._dropped.inc(interims_dropped)
        for guard, hits in guard_hits.items():
            self._guards.labels(guard).inc(hits)

    def looked_for_voices(self, *, windows: int, left_out: int, failures: int) -> None:
        """So many more than when last told."""
        self._windows.inc(windows)
        self._windows_left_out.inc(left_out)
        self._voices_lost.inc(failures)

    def looked_for_changes(self, *, times: int, left_out: int) -> None:
        """So many more than when last told."""
        self._changes.inc(times)
        self._changes_left_out.inc(left_out)

    def lost(self, worker: int, times: int) -> None:
        self._lost.labels(str(worker)).inc(times)

    def watch(self, workers: Callable[[], Sequence[WorkerView]], sessions: Callable[[], Iterable[SessionView]]) -> None:
        """``workers`` and ``sessions`` are read whenever somebody looks."""
        self._registry.register(_Now(workers, sessions))


class _Now(Collector):
    def __init__(
        self, workers: Callable[[], Sequence[WorkerView]], sessions: Callable[[], Iterable[SessionView]]
    ) -> None:
        self._workers = workers
        self._sessions = sessions

    def collect(self) -> Iterator[Metric]:
        workers = self._workers()
        yield _plain("workers", "Inference processes there should be.", len(workers))
        yield _plain("workers_ready", "Those that are ready.", sum(worker.state == "ok" for worker in workers))
        for name, meaning, read in _PER_WORKER:
            family = GaugeMetricFamily(f"earshot_engine_{name}", meaning, labels=["worker"])
            for worker in workers:
                family.add_metric([str(worker.index)], read(worker, worker.pong or _NOTHING))
            yield family
        yield _lag_histogram(self._sessions())


_NOTHING = Pong(number=0)
_PER_WORKER: tuple[tuple[str, str, Callable[[WorkerView, Pong], float]], ...] = (
    ("busy_ratio", "Share of the last seconds spent on what was wanted.", lambda worker, pong: pong.busy),
    ("interim_interval_seconds", "How often a session gets an interim now.", lambda w, pong: pong.interim_ms / 1000),
    ("steps_waiting", "Steps wanted now and not begun.", lambda worker, pong: pong.waiting),
    ("backlog_samples", "Sound sent to it and not worked through.", lambda worker, pong: pong.backlog_samples),
    ("worker_sessions", "Sessions that are with it.", lambda worker, pong: worker.sessions),
    ("resident_bytes", "Memory of its process.", lambda worker, pong: (worker.resident_mb or 0) * _MB),
)


def _plain(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"earshot_engine_{name}", meaning, value=value)


def _lag_histogram(sessions: Iterable[SessionView]) -> GaugeHistogramMetricFamily:
    """How the sessions there are now spread over the lags: no time has passed in it, so it may fall."""
    lags_s: dict[str, list[float]] = {"live": [], "file": []}
    for session in sessions:
        lags_s["file" if session.lane == "file" else "live"].append(session.lag_ms / 1000)
    family = GaugeHistogramMetricFamily(
        "earshot_engine_session_lag_seconds",
        "How far the words of each session are behind its sound now.",
        labels=["lane"],
    )
    for lane, of_lane in lags_s.items():
        buckets = [(str(bound), float(sum(lag_s <= bound for lag_s in of_lane))) for bound in _LAGS_S]
        family.add_metric([lane], [*buckets, ("+Inf", float(len(of_lane)))], sum(of_lane))
    return family
