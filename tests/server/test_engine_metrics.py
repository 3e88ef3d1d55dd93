"""Figures of the workers: counted as they happen, read when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from asr.wire import Pong, Ran
from server.metrics import Metrics


@dataclass
class Worker:
    index: int = 0
    pid: int | None = 100
    state: str = "ok"
    sessions: int = 0
    restarts: int = 0
    resident_mb: float | None = None
    pong: Pong | None = None


@dataclass
class Session:
    session_id: str
    lane: str
    lag_ms: int


def values(metrics: Metrics) -> dict[str, float]:
    """Such as ``name{kind="final"}``: each sample's value."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_a_step_is_counted_by_its_kind() -> None:
    metrics = Metrics()
    metrics.engine.ran(
        Ran(
            kind="interim",
            size=6,
            batch_max=8,
            wait_ms=40,
            run_ms=120,
            sound_samples=8000,
            listened_frames=50,
            listen_ms=1.5,
        )
    )
    now = values(metrics)
    assert now['earshot_engine_batch_size_sum{kind="interim"}'] == 6
    assert now["earshot_engine_batch_fill_sum"] == 0.75
    assert now['earshot_engine_batch_fill_bucket{le="0.7"}'] == 0
    assert now['earshot_engine_batch_fill_bucket{le="0.8"}'] == 1
    assert now['earshot_engine_queue_wait_seconds_sum{kind="interim"}'] == 0.04
    assert now['earshot_engine_step_seconds_sum{kind="interim"}'] == 0.12
    assert now['earshot_engine_sound_samples_total{kind="interim"}'] == 8000
    assert now["earshot_engine_listen_seconds_total"] / now["earshot_engine_listened_frames_total"] == 0.0015 / 50


def test_workers_are_read_when_somebody_looks() -> None:
    metrics = Metrics()
    workers = [Worker(0, sessions=3, resident_mb=2, pong=Pong(number=1, busy=0.5, interim_ms=300, waiting=2))]
    metrics.engine.watch(lambda: workers, list)
    assert values(metrics)["earshot_engine_workers_ready"] == 1
    workers.append(Worker(1, state="degraded"))
    now = values(metrics)
    assert (now["earshot_engine_workers"], now["earshot_engine_workers_ready"]) == (2, 1)
    assert now['earshot_engine_busy_ratio{worker="0"}'] == 0.5
    assert now['earshot_engine_interim_interval_seconds{worker="0"}'] == 0.3
    assert now['earshot_engine_steps_waiting{worker="0"}'] == 2
    assert now['earshot_engine_worker_sessions{worker="0"}'] == 3
    assert now['earshot_engine_resident_bytes{worker="0"}'] == 2 << 20
    assert now['earshot_engine_resident_bytes{worker="1"}'] == 0


def test_lags_are_spread_over_the_sessions_there_are_and_name_none() -> None:
    metrics = Metrics()
    sessions = [Session("ses_canary1", "live", 200), Session("ses_canary2", "live", 900), Session("x", "file", 28_000)]
    metrics.engine.watch(list, lambda: sessions)
    now = values(metrics)
    assert now['earshot_engine_session_lag_seconds_bucket{lane="live",le="0.25"}'] == 1
    assert now['earshot_engine_session_lag_seconds_bucket{lane="live",le="1.0"}'] == 2
    assert now['earshot_engine_session_lag_seconds_bucket{lane="live",le="+Inf"}'] == 2
    assert now['earshot_engine_session_lag_seconds_bucket{lane="file",le="10.0"}'] == 0
    assert b"canary" not in metrics.text()
    sessions.clear()
    assert values(metrics)['earshot_engine_session_lag_seconds_bucket{lane="live",le="+Inf"}'] == 0
