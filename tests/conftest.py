"""What the whole suite shares: how hypothesis judges, and a real PostgreSQL that is gone with the session."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from postgres_server import new_database

# No test judges speed: a busy machine must not make one fail.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

_OPTIONS = "-c listen_addresses= -c fsync=off -c shared_buffers=16MB -c max_connections=20"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The directory of the socket; skips where no PostgreSQL is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL is installed: apt-get install postgresql")
    tools, as_user = found[-1].parent, list[str]()
    where = Path(tempfile.mkdtemp(prefix="backbeat-pg-"))
    if os.getuid() == 0:
        as_user = ["runuser", "-u", "nobody", "--"]
        shutil.chown(where, "nobody")
    control = [*as_user, str(tools / "pg_ctl"), "-D", str(where / "data"), "-s", "-w"]
    initdb = [str(tools / "initdb"), "-D", str(where / "data"), "-U", "backbeat", "-A", "trust", "-N"]
    try:
        subprocess.run([*as_user, *initdb, "-E", "UTF8"], check=True, capture_output=True, cwd=where)
        start = [*control, "-l", str(where / "log"), "-o", f"-k {where} {_OPTIONS}", "start"]
        subprocess.run(start, check=True, cwd=where, stdout=subprocess.DEVNULL)
        yield str(where)
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd=where)
    finally:
        shutil.rmtree(where, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a state can be opened: an empty database of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    return new_database(request.getfixturevalue("postgres"))
