"""The profile's files: what is in them, that they agree with each other, and that the peers read them."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from backbeat.profile import PROFILE_FILES, ProfileExistsError, profile_text, runbooks_path, write_profile
from backbeat.profile.runbooks import runbooks_page

CONFORMANCE = Path(
    os.environ.get("BACKBEAT_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance")
)


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(profile_text(name))["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [
        rule
        for name in ("performance_alerts.yml", "alert_rules.yml")
        for rule in rules(name)
        if "alert" in rule
    ]


def threshold(expr: str) -> float:
    return float(expr.split()[-1])


def test_write_profile_writes_all_and_overwrites_nothing(tmp_path: Path) -> None:
    written = write_profile(tmp_path / "new")
    assert {path.name for path in written} >= set(PROFILE_FILES)
    assert all(path.exists() for path in written)
    (tmp_path / "new" / "backbeat.yml").unlink()
    with pytest.raises(ProfileExistsError, match=r"prometheus\.yml.* would be overwritten"):
        write_profile(tmp_path / "new")
    assert not (tmp_path / "new" / "backbeat.yml").exists()


@pytest.mark.peer
@pytest.mark.parametrize(
    ("tool", "command", "file"),
    [
        ("promtool", ["promtool", "check", "config"], "prometheus.yml"),
        ("amtool", ["amtool", "check-config"], "alertmanager.yml"),
    ],
)
def test_peers_accept_the_files_unchanged(tmp_path: Path, tool: str, command: list[str], file: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    write_profile(tmp_path)
    checked = subprocess.run([*command, tmp_path / file], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alert_names_are_the_teams() -> None:
    team = CONFORMANCE / "config" / "normaldance" / "performance_alerts.yml"
    if not team.exists():
        pytest.skip("the conformance cases are not there")
    (theirs,) = yaml.safe_load(team.read_text(encoding="utf-8"))["groups"]
    (ours,) = yaml.safe_load(profile_text("performance_alerts.yml"))["groups"]
    assert ours["name"] == theirs["name"]
    users = {"HighConcurrentUsers", "VeryHighConcurrentUsers"}
    assert {rule["alert"] for rule in ours["rules"]} == {rule["alert"] for rule in theirs["rules"]} - users
    assert users <= {rule["alert"] for rule in rules("alert_rules.yml") if "alert" in rule}


def test_each_signal_has_a_warning_and_a_critical_rule_lasting_five_minutes() -> None:
    by_signal: dict[str, list[str]] = {}
    for rule in rules("performance_alerts.yml"):
        assert rule["for"] == "5m"
        by_signal.setdefault(rule["labels"]["signal"], []).append(rule["labels"]["severity"])
    assert len(by_signal) == 10
    assert all(severities == ["warning", "critical"] for severities in by_signal.values())


def test_the_score_uses_the_thresholds_of_the_alerts() -> None:
    recorded = {
        (rule["record"], rule["labels"]["signal"]): float(rule["expr"].strip("vector()"))
        for rule in rules("alert_rules.yml")
        if rule.get("record", "").endswith(":threshold")
    }
    for rule in rules("performance_alerts.yml"):
        signal, severity = rule["labels"]["signal"], rule["labels"]["severity"]
        if signal != "performance_score":
            limit = threshold(rule["expr"])
            expected = 1 - limit if signal == "cache" else limit
            assert recorded[f"signal:{severity}:threshold", signal] == pytest.approx(expected)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_tells_what_an_engineer_needs(rule: dict[str, Any]) -> None:
    labels, annotations = rule["labels"], rule["annotations"]
    assert labels["severity"] in {"critical", "warning", "info"}
    assert labels["signal"]
    assert annotations["summary"]
    assert annotations["description"]
    assert annotations["dashboard_url"] == f"{{{{ externalURL }}}}/?signal={labels['signal']}"
    if rule["alert"] != "ServiceDown":
        assert "$value" in annotations["description"]


def test_every_runbook_link_leads_to_a_section() -> None:
    headings = re.findall(r"(?m)^## (.+)$", runbooks_path().read_text(encoding="utf-8"))
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    every = [*alerts(), *rules("watchdog_rules.yml")]
    linked = {rule["annotations"]["runbook_url"].rpartition("#")[2] for rule in every}
    assert linked <= anchors


def test_routes_by_severity_continue_as_the_team_has_them() -> None:
    settings = yaml.safe_load(profile_text("alertmanager.yml"))
    heartbeat, *by_severity = settings["route"]["routes"]
    routes = [(route["matchers"], route["receiver"], route["continue"]) for route in by_severity]
    assert (heartbeat["matchers"], heartbeat["receiver"]) == (['alertname="Watchdog"'], "heartbeat")
    assert routes == [
        (['severity="critical"'], "critical", True),
        (['severity="warning"'], "warning", True),
        (['severity="info"'], "info", True),
    ]
    kinds = {receiver["name"]: set(receiver) - {"name"} for receiver in settings["receivers"]}
    assert kinds["critical"] == {"email_configs", "slack_configs", "webhook_configs"}
    assert kinds["warning"] == {"email_configs", "slack_configs"}
    assert kinds["info"] == {"email_configs"}
    assert kinds["heartbeat"] == {"webhook_configs"}


def test_the_runbooks_page_has_every_section_and_nothing_inline() -> None:
    page = runbooks_page()
    for rule in alerts():
        assert f'id="{rule["annotations"]["runbook_url"].rpartition("#")[2]}"' in page
    assert "<style" not in page
    assert "<script" not in page
