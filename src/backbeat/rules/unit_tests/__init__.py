"""Unit tests of rules: series in, the rules evaluated as a server would, alerts and values compared."""

from backbeat.rules.unit_tests.runner import Failure, GroupResult, run_file

__all__ = ["Failure", "GroupResult", "run_file"]
