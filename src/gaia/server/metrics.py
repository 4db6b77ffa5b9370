"""What Prometheus may see."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gaia.server.fleet import Fleet, Worker

UNKNOWN_STATE = "unknown"
"""State of a worker that does not say any: GAIA 0.4, or not a heartbeat yet."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters that requests raise, and gauges that are read off the fleet at each scrape.

    Args:
        expiries: when each trust role expires.
        now: the time, in UTC.
    """

    def __init__(
        self,
        fleet: Fleet,
        expiries: Callable[[], Mapping[str, datetime]],
        now: Callable[[], datetime],
    ) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter(
            "gaia_http_requests", "Answered requests, heartbeats excepted.", "endpoint", "status"
        )
        self.uploads = self._counter("gaia_uploads", "Accepted uploads.")
        self.uploaded_bytes = self._counter("gaia_uploaded_bytes", "Bytes of accepted uploads.")
        self.downloads = self._counter("gaia_downloads", "Answered downloads.", "filename")
        self.registry.register(_Gauges(fleet, expiries, now))

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(name, help_, labels, registry=self.registry)


class _Gauges(Collector):
    def __init__(
        self,
        fleet: Fleet,
        expiries: Callable[[], Mapping[str, datetime]],
        now: Callable[[], datetime],
    ) -> None:
        self._fleet = fleet
        self._expiries = expiries
        self._now = now

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        workers = list(self._fleet.all())
        heartbeats = CounterMetricFamily("gaia_heartbeats", "Answered heartbeats.")
        heartbeats.add_metric([], sum(worker.heartbeats for worker in workers))
        yield heartbeats
        fleet = GaugeMetricFamily(
            "gaia_workers", "Known workers.", labels=["version", "state", "platform"]
        )
        tally = Tally((w.version, _state(w), w.platform) for w in workers)
        for labels, count in sorted(tally.items()):
            fleet.add_metric(labels, count)
        yield fleet
        alarms = GaugeMetricFamily("gaia_worker_alarms", "Workers that report a trust failure.")
        alarms.add_metric([], sum(bool(worker.alarm) for worker in workers))
        yield alarms
        skewed = GaugeMetricFamily(
            "gaia_workers_clock_skewed", "Workers whose clock is off by more than a minute."
        )
        skewed.add_metric([], sum(worker.skewed for worker in workers))
        yield skewed
        expiry = GaugeMetricFamily(
            "gaia_trust_days_to_expiry", "Days until a role's signature expires.", labels=["role"]
        )
        for role, at in self._expiries().items():
            expiry.add_metric([role], (at - self._now()) / timedelta(days=1))
        yield expiry


def _state(worker: Worker) -> str:
    return UNKNOWN_STATE if worker.report is None else worker.report.state
