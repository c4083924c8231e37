"""Every command alone, as `main` leaves it, and among all others."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from backbeat.cli import _leave_others_out, app

ALL = [
    "serve",
    "check",
    "init",
    "demo",
    "chaos",
    "test",
    "query",
    "import",
    "export",
    "route",
    "notify",
    "version",
]
GROUPS = ["storage", "alerts", "silence"]


@pytest.fixture(autouse=True)
def everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "registered_commands", app.registered_commands)
    monkeypatch.setattr(app, "registered_groups", app.registered_groups)


def said(*arguments: str) -> str:
    return CliRunner().invoke(app, arguments).output


def test_help_names_all_commands() -> None:
    _leave_others_out("--help")
    lines = [line.strip(" │").split() for line in said("--help").splitlines()]
    assert {*ALL, *GROUPS} <= {line[0] for line in lines if line}


@pytest.mark.parametrize("name", ALL)
def test_a_command_alone_says_what_it_says_among_all(name: str) -> None:
    told = said(name, "--help"), said(name, "--no-such-option")
    _leave_others_out(name)
    assert len(app.registered_commands) == 1
    assert (said(name, "--help"), said(name, "--no-such-option")) == told


@pytest.mark.parametrize("name", [*GROUPS, "no-such-command"])
def test_groups_and_what_is_no_command_are_looked_for_among_all(name: str) -> None:
    told = said(name)
    _leave_others_out(name)
    assert said(name) == told


def test_a_server_loads_what_it_may_need_later_when_it_needs_it() -> None:
    code = (
        "import sys; import backbeat.cli, backbeat.cli.serve, backbeat.serving, backbeat.running;"
        "rare = {'aiosmtplib', 'alembic', 'apprise', 'jinja2', 'markdown_it', 'psutil', 'rich'};"
        "print(rare & set(sys.modules)); sys.exit(bool(rare & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
