"""Measure an ASGI application under the metric names that Backbeat's dashboard, alerts and score read."""

from backbeat_instrument.asgi import MetricsMiddleware
from backbeat_instrument.exposition import MetricsEndpoint
from backbeat_instrument.metrics import Metrics

__all__ = ["Metrics", "MetricsEndpoint", "MetricsMiddleware"]
