"""Two ready sets of functions: for annotations as in Prometheus, for notifications as in Alertmanager."""

from backbeat.templating.functions.alertmanager import alertmanager_functions
from backbeat.templating.functions.prometheus import Sample, prometheus_functions

__all__ = ["Sample", "alertmanager_functions", "prometheus_functions"]
