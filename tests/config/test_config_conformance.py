"""Configuration files of Prometheus, Alertmanager and NormalDance come out as their folders say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backbeat.cli.check import check_as, parsers
from backbeat.config.file_kinds import FileKind, recognise
from backbeat.config.findings import Findings
from backbeat.config.load import Reader
from backbeat.config.yaml_reader import read_file

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(os.environ.get("BACKBEAT_CONFORMANCE", ROOT.parent / "shared" / "conformance")) / "config"
KINDS = {"prometheus": FileKind.PROMETHEUS, "alertmanager": FileKind.ALERTMANAGER, "rules": FileKind.RULES}
NORMALDANCE = {
    "prometheus.yml": FileKind.PROMETHEUS,
    "prometheus-2.yml": FileKind.PROMETHEUS,
    "prometheus-3.yml": FileKind.PROMETHEUS,
    "performance_alerts.yml": FileKind.RULES,
    "alert_rules.yml": FileKind.RULES,
    "alert_rules-2.yml": FileKind.RULES,
}

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the conformance cases are not there: {CASES}")


def cases() -> Iterator[object]:
    for folder, kind in KINDS.items():
        for verdict in ("good", "bad"):
            expected = CASES / folder / verdict / "expected.json"
            if expected.exists():
                for name in json.loads(expected.read_text(encoding="utf-8")):
                    path = expected.parent / name
                    yield pytest.param(kind, path, verdict, id=f"{folder}/{verdict}/{name}")


def findings_of(kind: FileKind, path: Path) -> list[str]:
    reader = Reader(parsers(), {}, Findings())
    check_as(kind, path, reader)
    return [str(finding) for finding in reader.findings if not finding.is_warning]


@pytest.mark.parametrize(("kind", "path", "verdict"), list(cases()))
def test_verdict(kind: FileKind, path: Path, verdict: str) -> None:
    found = findings_of(kind, path)
    assert bool(found) == (verdict == "bad"), found


@pytest.mark.parametrize(("name", "kind"), list(NORMALDANCE.items()))
def test_the_team_s_own_files_are_good(name: str, kind: FileKind) -> None:
    assert findings_of(kind, CASES / "normaldance" / name) == []
    document = read_file(CASES / "normaldance" / name, Findings())
    assert document is not None
    assert recognise(name, document.root) is kind


def test_a_merge_conflict_is_named_with_its_line() -> None:
    (found,) = findings_of(FileKind.PROMETHEUS, CASES / "normaldance" / "prometheus-conflict.bad.yml")
    assert ":16:1: unresolved merge conflict" in found


def test_the_team_s_alertmanager_file_is_bad_for_all_three_reasons() -> None:
    found = "\n".join(findings_of(FileKind.ALERTMANAGER, CASES / "normaldance" / "alertmanager.bad.yml"))
    assert ":16:1: routes: unknown field; it belongs under `route`" in found
    assert "email_configs[0].body: unknown field; did you mean `text` or `html`?" in found
    assert "set the environment variable SLACK_WEBHOOK_URL or use api_url_file" in found
