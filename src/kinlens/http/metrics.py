"""Prometheus metrics: requests by route, the stages of searches, the size of the catalog."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinlens.types import Timing

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """The metrics of one app, in a registry of its own.

    Parameters
    ----------
    items, matrix_bytes, in_flight : asked when the metrics are read
    live : what became of the cameras' messages, asked too
    connections : "ok", or what is wrong, of the live view's broker and store, asked too
    """

    def __init__(
        self,
        items: Callable[[], float],
        matrix_bytes: Callable[[], float],
        in_flight: Callable[[], float],
        live: Callable[[], Mapping[str, int]] = dict,
        connections: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.registry = CollectorRegistry()
        self._live = live
        self._connections = connections
        self._requests = Counter(
            "kinlens_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "kinlens_request_seconds",
            "Time from a request's headers to the end of its answer.",
            ("route",),
            buckets=_LATENCY,
            registry=self.registry,
        )
        self._stages = Histogram(
            "kinlens_search_seconds",
            "Time of a search by stage.",
            ("stage",),
            buckets=_STAGE,
            registry=self.registry,
        )
        self._gauge("kinlens_items", "Items in the catalog.", items)
        self._gauge("kinlens_matrix_bytes", "Memory of the search matrix.", matrix_bytes)
        self._gauge("kinlens_in_flight", "Requests being worked on.", in_flight)
        self.registry.register(self)

    def searched(self, took: Timing) -> None:
        """Count a search."""
        self._stages.labels("decode").observe(took.decode / 1000)
        self._stages.labels("encode").observe(took.encode / 1000)
        self._stages.labels("search").observe(took.search / 1000)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What became of the cameras' messages, and what they come by, for the registry."""
        if connections := self._connections():
            up = GaugeMetricFamily(
                "kinlens_live_up", "1 where it can be used, else 0.", labels=("part",)
            )
            for part, state in connections.items():
                up.add_metric((part.removeprefix("live_"),), float(state == "ok"))
            yield up
        counts = self._live()
        if counts:
            family = CounterMetricFamily(
                "kinlens_live_messages", "Messages of cameras.", labels=("outcome",)
            )
            for outcome, count in counts.items():
                family.add_metric((outcome,), count)
            yield family

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        Gauge(name, help_text, registry=self.registry).set_function(value)


CLIENT_LEFT = 499
"""The status under which a request is counted whose client left before the answer."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Measured:
    """ASGI middleware: counts each request under its route's template, never its address.

    An answer that tells its stages in Server-Timing also gets `server`: the milliseconds from the
    request's headers, which may come before its body, to the answer's.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request and time its answer."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start = time.perf_counter()
        status = 500
        answered = False

        async def watched(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                _tell(message, time.perf_counter() - start)
            await send(message)

        try:
            await self.app(scope, receive, watched)
            status = status if answered else CLIENT_LEFT
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            seconds = time.perf_counter() - start
            self.metrics.answered(method, route_of(scope), status, seconds)


def _tell(message: Message, seconds: float) -> None:
    for place, (name, value) in enumerate(message["headers"]):
        if name == b"server-timing":
            told = b"%b, server;dur=%.2f" % (value, seconds * 1000)
            message["headers"][place] = (name, told)


def route_of(scope: Scope) -> str:
    """The template of the route that answered, such as "/v1/items/{id}"."""
    route = scope.get("route")
    return getattr(route, "path", "") or "none"
