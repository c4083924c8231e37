"""Unit tests of rules and of what people are told: series in, then as a server would do it, then compared."""

from backbeat.unit_tests.coverage import Coverage
from backbeat.unit_tests.failures import Failure
from backbeat.unit_tests.runner import GroupResult, run_file

__all__ = ["Coverage", "Failure", "GroupResult", "run_file"]
