"""Figures for Prometheus, in a registry of our own. No label ever holds text of a user: only names from our code.

What happens is counted by the one who does it (``Metrics`` is handed to them); what is, such as live sessions, is read
from its owner when somebody looks (``watch``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from server.engine_metrics import EngineMetrics

CONTENT_TYPE = CONTENT_TYPE_LATEST
TICK_S = 0.1  # stalls shorter than this are rarely missed, and ten wake-ups a second cost nothing

_LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_TICK_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_COMMIT_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
_HTTP_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_LANGUAGE_MODEL_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
_WORDS_LAG_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class UdpFigures(Protocol):
    """Counts since the start; ``dropped`` by reason."""

    @property
    def datagrams(self) -> int: ...
    @property
    def received_bytes(self) -> int: ...
    @property
    def unsent(self) -> int: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...


class Metrics:
    """All figures of a node. Counters may be touched from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.loop_lag_s = Histogram(
            "earshot_event_loop_lag_seconds", "How late the event loop woke.", registry=r, buckets=_LAG_S
        )
        self.blocks_in = Counter("earshot_blocks_in", "Blocks of sound taken.", ["source"], registry=r)
        self.samples_in = Counter("earshot_samples_in", "Samples of sound taken, at 16 kHz.", ["source"], registry=r)
        self.packets_lost = Counter("earshot_packets_lost", "RTP packets that never came.", registry=r)
        self.samples_concealed = Counter(
            "earshot_samples_concealed", "Samples of silence in place of lost sound.", registry=r
        )
        self.interims = Counter("earshot_interims", "Interim segments told.", registry=r)
        self.finals = Counter("earshot_finals", "Final segments stored.", registry=r)
        self.words_lag_s = Histogram(
            "earshot_words_lag_seconds", "From sound to words.", ["kind"], registry=r, buckets=_WORDS_LAG_S
        )
        self.commit_s = Histogram(
            "earshot_journal_commit_seconds", "Time to store a group of events.", registry=r, buckets=_COMMIT_S
        )
        self.subscribers = Gauge("earshot_subscribers", "Readers connected now.", ["door"], registry=r)
        self.slow_readers = Counter("earshot_slow_readers_closed", "Readers cut because they were slow.", registry=r)
        self.requests = Counter("earshot_http_requests", "Requests.", ["method", "route", "status"], registry=r)
        self.request_s = Histogram(
            "earshot_http_request_seconds", "Time to serve a request.", ["route"], registry=r, buckets=_HTTP_S
        )
        self.room_tick_s = Histogram(
            "earshot_room_tick_seconds",
            "The event loop's time for 20 ms of all rooms' sound.",
            registry=r,
            buckets=_TICK_S,
        )
        self.room_frames_encoded = Counter("earshot_room_frames_encoded", "Frames of rooms' sound encoded.", registry=r)
        self.room_ticks_missed = Counter(
            "earshot_room_ticks_missed", "Times 20 ms that no room was heard, as the loop was busy.", registry=r
        )
        self.room_sounds_failed = Counter(
            "earshot_room_sounds_failed", "Rooms of which sound was lost by a fault of ours.", registry=r
        )
        self.webhook_attempts = Counter(
            "earshot_webhook_attempts", "Attempts to tell a webhook something.", ["outcome"], registry=r
        )
        self.webhook_s = Histogram("earshot_webhook_seconds", "Time of such an attempt.", registry=r, buckets=_HTTP_S)
        self.language_model_requests = Counter(
            "earshot_language_model_requests", "Requests to the language model.", ["outcome"], registry=r
        )
        self.language_model_s = Histogram(
            "earshot_language_model_seconds", "Time of such a request.", registry=r, buckets=_LANGUAGE_MODEL_S
        )
        self.engine = EngineMetrics(r)
        self._ticker: asyncio.Task[None] | None = None

    def watch(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """A gauge ``earshot_<name>`` whose value ``read`` gives when asked."""
        gauge = Gauge(f"earshot_{name}", meaning, registry=self.registry)
        gauge.set_function(read)

    def watch_udp(self, read: Callable[[], UdpFigures]) -> None:
        """What came to the UDP ports of WebRTC, read when somebody looks: nothing is counted here for each datagram."""
        self.registry.register(_Udp(read))

    def served(self, method: str, route: str, status: int, spent_s: float | None) -> None:
        """A request ended. ``spent_s`` None: a socket, whose length says nothing about us."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WS") else "other"
        self.requests.labels(known, route, str(status)).inc()
        if spent_s is not None:
            self.request_s.labels(route).observe(spent_s)

    def webhook_told(self, outcome: str, spent_s: float) -> None:
        """An attempt to tell a webhook something ended."""
        self.webhook_attempts.labels(outcome).inc()
        self.webhook_s.observe(spent_s)

    def language_model_asked(self, outcome: str, spent_s: float) -> None:
        """A request to the language model ended."""
        self.language_model_requests.labels(outcome).inc()
        self.language_model_s.observe(spent_s)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def start(self) -> None:
        """Begin to measure the event loop's lag."""
        self._ticker = asyncio.create_task(self._tick(), name="event loop lag")

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self.loop_lag_s.observe(max(0.0, loop.time() - due_s))


class _Udp(Collector):
    def __init__(self, read: Callable[[], UdpFigures]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        counts = self._read()
        yield CounterMetricFamily("earshot_udp_datagrams_in", "Datagrams that came.", counts.datagrams)
        yield CounterMetricFamily("earshot_udp_bytes_in", "Bytes in them.", counts.received_bytes)
        yield CounterMetricFamily("earshot_udp_datagrams_unsent", "Those the system did not take.", counts.unsent)
        dropped = CounterMetricFamily("earshot_udp_datagrams_dropped", "Datagrams dropped, by why.", labels=["reason"])
        for reason, count in counts.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
