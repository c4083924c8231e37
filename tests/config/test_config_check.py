"""`backbeat check`: what it prints and returns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from config_fixtures import Write

from backbeat.cli.check import check

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "src" / "backbeat" / "profile" / "files"
HEAD = "groups:\n- name: g\n  rules:\n"


def run(capsys: pytest.CaptureFixture[str], *paths: Path) -> tuple[int, list[str]]:
    code = check(list(paths))
    return code, capsys.readouterr().out.splitlines()


def test_a_sound_directory(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write(prometheus="rule_files: [rules.yml]\n", rules=HEAD + "  - {record: a, expr: 1}\n")
    assert run(capsys, directory) == (0, ["2 files, 0 findings"])


def test_findings_are_sorted_by_place_and_fail(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write(
        prometheus="globl: {}\nrule_files: [rules.yml]\n", rules=HEAD + "  - {record: a, expr: '1 +'}\n"
    )
    code, lines = run(capsys, directory)
    assert code == 1
    assert lines[0] == f"{directory}/prometheus.yml:1:1: globl: unknown field; did you mean `global`?"
    assert lines[1].startswith(
        f"{directory}/rules.yml:4:27: groups[0].rules[0].expr: could not parse expression"
    )
    assert lines[-1] == "2 files, 2 findings"


def test_warnings_do_not_fail(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write(prometheus="remote_read: [{url: 'http://x'}]\n")
    code, lines = run(capsys, directory)
    assert code == 0
    assert lines[-1] == "1 file, 0 findings, 1 warning"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("rules", HEAD + "  - {alert: a}\n", "field 'expr' must be set"),
        ("x", "groups:\n- {}\n", "Groupname must not be empty"),
        ("am", "receivers: []\nroute: {receiver: a}\n", "undefined receiver 'a'"),
        ("p", "scrape_configs: [{job_name: ''}]\nrule_files: []\n", "job_name is empty"),
        ("jobs", "scrape_configs: [{job_name: ''}]\n", "job_name is empty"),
        ("w", "basic_auth_users: {a: b}\n", "no bcrypt hash"),
        ("b", "retention_time: 5 days\n", "expected a duration"),
        ("targets", "- targets: h:1\n", "expected a list of texts"),
        ("unknown", "services: {}\n", "is no prometheus, rule, alertmanager, web or backbeat file"),
        ("conflict", "<<<<<<< HEAD\n", "unresolved merge conflict"),
    ],
)
def test_a_file_alone_is_known_by_its_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, says: str
) -> None:
    path = tmp_path / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    code, lines = run(capsys, path)
    assert code == 1
    assert says in lines[0]
    assert lines[-1].startswith("1 file, ")


def test_other_files_of_a_directory_are_checked_or_left_alone(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write(prometheus="", extra=HEAD + "  - {record: a, expr: 1}\n", compose="services: {}\n")
    code, lines = run(capsys, directory)
    assert code == 0
    assert "no entry of rule_files in prometheus.yml names this file" in lines[0]
    assert lines[-1] == "2 files, 0 findings, 1 warning"


def test_a_main_file_that_is_no_yaml_is_the_only_finding(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it names is not known, so no rule file is said to be left out."""
    code, lines = run(capsys, write(prometheus="rule_files: [", extra=HEAD + "  - {record: a, expr: 1}\n"))
    assert code == 1
    assert "is not YAML" in lines[0]
    assert lines[-1] == "2 files, 1 finding"


def test_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run(capsys, tmp_path / "x.yml", tmp_path)
    assert code == 1
    assert lines[0].endswith("holds no .yml file; expected at least prometheus.yml")
    assert lines[1].endswith("x.yml:1:1: cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("expr", "remark"),
    [
        ("rate(http_requests_total{status=~'5..'}[5m]) > 0.05", "where 5 % of all requests is meant"),
        ("sum(rate(upload_errors_total[5m])) > 0.1", "compares errors a second with 0.1"),
        ("histogram_quantile(0.95, rate(x_bucket[5m])) > 1", "the quantile is not aggregated"),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m]))) > 1.7", "1.7 is no usual bucket bound"),
        ("rate(a[5m]) / rate(b[5m]) > 0.5", "the ratio is not aggregated"),
        ("count(count(x) by (user)) > 10", "groups by user"),
        ("sum by (job) (rate(errors_total[5m])) / sum by (job) (rate(all_total[5m])) > 0.05", ""),
        ("rate(errors_total[5m]) > 5", ""),
        ("node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1", ""),
        ("histogram_quantile(0.95, sum by (job, le) (rate(x_bucket[5m]))) > 2", ""),
        ("up == 0", ""),
    ],
)
def test_lints(tmp_path: Path, capsys: pytest.CaptureFixture[str], expr: str, remark: str) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(HEAD + f'  - alert: A\n    expr: "{expr}"\n', encoding="utf-8")
    code, lines = run(capsys, path)
    assert code == 0
    warnings = [line for line in lines if ": warning: " in line]
    if remark:
        assert len(warnings) == 1
        assert f"{path}:5:11: warning: groups[0].rules[0].expr: " in warnings[0]
        assert remark in warnings[0]
    else:
        assert not warnings


def test_the_shipped_profile_has_no_findings_and_no_lints(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run(capsys, PROFILE)
    assert code == 0
    assert [line for line in lines[:-1] if "there is no file" not in line] == []


def test_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from backbeat.cli.check import check;"
        f"code = check([Path({str(PROFILE)!r})]);"
        "heavy = {'numpy', 'sqlalchemy', 'pydantic', 'aiohttp', 'starlette', 'jinja2'} & set(sys.modules);"
        "print(heavy); sys.exit(code or bool(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
