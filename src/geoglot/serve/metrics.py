"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one service; each has its own registry, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "geoglot_requests_total", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "geoglot_request_seconds", "Time to answer", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.refused = Counter("geoglot_refused_total", "Requests turned away: too many", registry=self.registry)
        self.searches = Histogram(
            "geoglot_search_seconds", "Time of a search itself", buckets=_SECONDS, registry=self.registry
        )
        self.tiles = Gauge("geoglot_tiles", "Tiles in the archive", registry=self.registry)
        self.jobs = Gauge("geoglot_jobs", "Jobs by state", ("state",), registry=self.registry)
        self.decoders = Gauge("geoglot_decoders", "Decoder processes", registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. Routes are templates, and odd methods are one: labels stay few."""
        known = method if method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
