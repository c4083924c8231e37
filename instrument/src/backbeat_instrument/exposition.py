"""Serves the metrics: Prometheus text, or OpenMetrics where the client asks for it; gzip where accepted."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, cast

from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from backbeat_instrument.metrics import Metrics


class MetricsEndpoint:
    """An ASGI application for one route: `Route("/metrics", MetricsEndpoint(metrics))`.

    Without `_created` series, which would double the number of counters. Where PROMETHEUS_MULTIPROC_DIR is
    set, the answer covers all worker processes.
    """

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
        app = make_asgi_app(cast("Collector", _WithoutCreated(registry)))
        self._app = cast("Callable[..., Awaitable[None]]", app)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


class _WithoutCreated:
    """A view of a registry that leaves out the `_created` samples."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family

    def restricted_registry(self, names: Iterable[str]) -> _WithoutCreated:
        return _WithoutCreated(self._registry.restricted_registry(names))
