"""Statements and connections as the SQLAlchemy hooks see them."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from backbeat_instrument import Metrics
from backbeat_instrument.sqlalchemy import instrument_engine, operation


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def engine(tmp_path: Path, metrics: Metrics) -> Engine:
    engine = create_engine(f"sqlite:///{tmp_path / 'test.sqlite'}", pool_size=3, max_overflow=4)
    instrument_engine(engine, metrics)
    return engine


def queries(metrics: Metrics, kind: str) -> float | None:
    return metrics.registry.get_sample_value("db_query_duration_seconds_count", {"operation": kind})


def test_times_statements_by_kind(engine: Engine, metrics: Metrics) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
        connection.execute(text("SELECT x FROM t"))
        connection.execute(text("SELECT x + 1 FROM t"))
    assert (queries(metrics, "select"), queries(metrics, "insert"), queries(metrics, "other")) == (2, 1, 1)
    engine.dispose()


def test_a_failing_statement_is_timed_too(engine: Engine, metrics: Metrics) -> None:
    with engine.connect() as connection:
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT nothing FROM nowhere"))
        connection.execute(text("SELECT 1"))
    assert queries(metrics, "select") == 2
    engine.dispose()


def test_connections_in_use_and_their_limit(engine: Engine, metrics: Metrics) -> None:
    in_use = lambda: metrics.registry.get_sample_value("db_connections")  # noqa: E731
    assert metrics.registry.get_sample_value("db_connections_max") == 7
    with engine.connect(), engine.connect() as second:
        assert in_use() == 2
        second.invalidate()
        assert in_use() == 1
    assert in_use() == 0
    engine.dispose()


def test_a_pool_without_limit_has_none(metrics: Metrics) -> None:
    instrument_engine(create_engine("sqlite://", poolclass=NullPool), metrics)
    assert metrics.registry.get_sample_value("db_connections_max") == 0


@pytest.mark.parametrize(
    ("statement", "kind"),
    [("  select 1", "select"), ("UPDATE t SET x=1", "update"), ("PRAGMA x", "other"), ("", "other")],
)
def test_operation(statement: str, kind: str) -> None:
    assert operation(statement) == kind


def test_the_package_works_without_sqlalchemy() -> None:
    source = Path(__file__).parents[2] / "instrument" / "src"
    program = (
        f"import sys; sys.path.insert(0, {str(source)!r}); sys.modules['sqlalchemy'] = None; "
        "sys.modules['starlette'] = None; import backbeat_instrument; backbeat_instrument.Metrics()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
