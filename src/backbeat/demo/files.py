"""The demo's configuration: the profile made quicker, with the local inbox as receiver.

Nobody who tries Backbeat wants to wait five minutes for the first alert.

In:  the texts of the profile.
Out: prometheus.yml, rule files and alertmanager.yml in a directory, for `backbeat serve`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from backbeat.profile import profile_text

_HEADER = "# Written by `backbeat demo` at every start from the NormalDance profile; changes here are lost.\n"
_PROMETHEUS = """\
global:
  scrape_interval: 5s
  scrape_timeout: 4s
  evaluation_interval: 5s

rule_files:
  - alert_rules.yml
  - performance_alerts.yml

scrape_configs:
  - job_name: normaldance
    static_configs:
      - targets: ["{service}"]
"""


def write_demo_files(directory: Path, *, service: str, smtp: str, inbox: str) -> None:
    """Write what `backbeat serve` needs; each address is HOST:PORT."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "prometheus.yml": _PROMETHEUS.format(service=service),
        "alert_rules.yml": quickened(profile_text("alert_rules.yml")),
        "performance_alerts.yml": quickened(profile_text("performance_alerts.yml")),
        "alertmanager.yml": _alertmanager(smtp, inbox),
    }
    for name, text in texts.items():
        (directory / name).write_text(_HEADER + text, encoding="utf-8")


def quickened(rules: str) -> str:
    """The same rules with windows of one minute and `for` of 30 s."""
    return re.sub(r"(?m)^(\s+for: )\S+$", r"\g<1>30s", rules.replace("[5m]", "[1m]"))


def _alertmanager(smtp: str, inbox: str) -> str:
    """The routing of the profile; only where messages go to, and how soon, is the demo's."""
    settings: dict[str, Any] = yaml.safe_load(profile_text("alertmanager.yml"))
    settings["global"] = {
        "smtp_smarthost": smtp,
        "smtp_from": "backbeat@demo.invalid",
        "smtp_require_tls": False,
        "slack_api_url": f"http://{inbox}/slack",
    }
    settings["route"] |= {"group_wait": "5s", "group_interval": "10s"}
    for receiver in settings["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            webhook["url"] = f"http://{inbox}/webhook"
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
