"""The demo's configuration: the profile made quicker, and valid for the peers too."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from backbeat.demo.files import quickened, write_demo_files


def test_quickened_rules_are_the_same_rules() -> None:
    text = "- alert: A\n  expr: rate(x[5m]) > 1\n  for: 10m\n  labels: {for: me}\n"
    assert quickened(text) == "- alert: A\n  expr: rate(x[1m]) > 1\n  for: 30s\n  labels: {for: me}\n"


def test_messages_go_to_the_inbox_only(tmp_path: Path) -> None:
    write_demo_files(tmp_path, service="127.0.0.1:1", smtp="127.0.0.1:2", inbox="127.0.0.1:3")
    text = (tmp_path / "alertmanager.yml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    assert settings["global"]["smtp_smarthost"] == "127.0.0.1:2"
    assert settings["global"]["slack_api_url"] == "http://127.0.0.1:3/slack"
    assert text.count("http://127.0.0.1:3/webhook") == 2
    assert "_file" not in text


@pytest.mark.peer
@pytest.mark.parametrize(
    ("tool", "command", "file"),
    [
        ("promtool", ["promtool", "check", "config"], "prometheus.yml"),
        ("amtool", ["amtool", "check-config"], "alertmanager.yml"),
    ],
)
def test_peers_accept_the_files(tmp_path: Path, tool: str, command: list[str], file: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    write_demo_files(tmp_path, service="127.0.0.1:1", smtp="127.0.0.1:2", inbox="127.0.0.1:3")
    checked = subprocess.run([*command, tmp_path / file], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr
