"""Backbeat: performance monitoring and alerting in one process."""

__version__ = "0.1.0"
