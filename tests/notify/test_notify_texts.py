"""What messages say: measures, links, the default templates beside Alertmanager's own, Slack's payload."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from backbeat.config.alertmanager import SlackConfig
from backbeat.config.chats import ChatField
from backbeat.config.http_client import NO_SECRET
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.model.labels import Labels
from backbeat.notify import mail
from backbeat.notify.channel import Tools
from backbeat.notify.http import Answer
from backbeat.notify.measure import Unit, measure, quantity
from backbeat.notify.slack import SlackChannel, _understood
from backbeat.notify.texts import Texts

NOW_MS = 1_700_000_000_000
URL = "http://bb.example"
PRODUCT = '{{ define "__alertmanager" }}X{{ end }}{{ define "__alertmanagerURL" }}http://x{{ end }}'
DEFAULTS = Path("/usr/share/prometheus/alertmanager/default.tmpl")


def alert(expr: str = "x > 1", value: float | str = 2, ended: bool = False, **labels: str) -> Alert:
    return Alert(
        Labels.of({"alertname": "Slow", **labels}),
        Labels.of(summary="it is <slow>", dashboard_url=f"{URL}/?signal=x#top"),
        NOW_MS - 724_000,
        NOW_MS - 1000 if ended else 0,
        NOW_MS,
        f"{URL}/explore?expr={quote(expr, safe='')}&at={NOW_MS}&value={value}",
    )


def message(*alerts: Alert) -> Notification:
    return Notification("team", "k", Labels.of(alertname="Slow"), alerts, NOW_MS, URL, "first notification")


@pytest.mark.parametrize(
    ("expr", "value", "expected"),
    [
        ("histogram_quantile(0.9, rate(x_seconds_bucket[5m])) > 1", 1.84, "1.84 s against > 1 s"),
        ("rate(x_seconds_sum[5m]) / rate(x_seconds_count[5m]) >= 0.05", 0.062, "62 ms against ≥ 50 ms"),
        ("rate(e_total[5m]) / rate(r_total[5m]) > 0.05", 0.0621, "6.21 % against > 5 %"),
        ("node:disk:utilisation > 0.85 and on() up == 1", 0.91, "91 % against > 85 %"),
        ("(free_bytes) < 1e9", 5.2e8, "495.9MiB against < 953.7MiB"),
        ("up == 0", 0, "0 against = 0"),
        ("5 < load1", 7.25, "7.25 against > 5"),
        ("x > -(1 + 1)", 3, "3 against > -2"),
        ("time() - last_seconds > 3600", 7200, "2h 0m 0s against > 1h 0m 0s"),
        ("rate(node_cpu_seconds_total[5m]) > 3", 4, "4 against > 3"),
        ("absent(up)", 1, "1"),
        ("x > y", 3, "3"),
        ("x >", 3, "3"),
        ("x > 1", "NaN", "alerts at > 1"),
        ("x > 1", "nothing", "alerts at > 1"),
        ("x > 1", "+Inf", "inf against > 1"),
    ],
)
def test_measure(expr: str, value: float | str, expected: str) -> None:
    assert str(measure(alert(expr, value))) == expected


def test_what_the_rule_annotates_wins() -> None:
    told = Alert(
        Labels.of(alertname="A"),
        Labels.of(value="about 3", threshold="too many"),
        generator_url=alert().generator_url,
    )
    assert str(measure(told)) == "about 3 against too many"


def test_an_alert_from_elsewhere_has_no_measure() -> None:
    assert str(measure(Alert(Labels.of(alertname="A"), generator_url="http://[bad"))) == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, Unit.SECONDS, "0 s"),
        (0.0005, Unit.SECONDS, "0.5 ms"),
        (150, Unit.SECONDS, "2m 30s"),
        (1_234_567, Unit.NONE, "1.235M"),
        (1234.5, Unit.NONE, "1234"),
        (0.9, Unit.SHARE, "90 %"),
    ],
)
def test_quantity(value: float, unit: Unit, text: str) -> None:
    assert quantity(value, unit) == text


def test_the_dashboard_opens_at_that_time() -> None:
    html = mail.html(message(alert()))
    start, end = NOW_MS - 724_000 - 3_600_000, NOW_MS + 300_000
    assert f'href="{URL}/?signal=x&amp;from={start}&amp;to={end}#top"' in html


def test_both_parts_say_the_same() -> None:
    told = message(alert(severity="critical", job="api"), alert(ended=True, severity="warning", job="web"))
    html, text = mail.html(told), mail.text(told)
    facts = [
        "1 alert firing, 1 resolved",
        "critical",
        "warning",
        "api",
        "web",
        "12m 4s",
        "> 1",
        "first notification",
    ]
    facts += [
        "2023-11-14 22:01:16 UTC",
        "2023-11-14 22:13:19 UTC",
        "Dashboard",
        "Silence",
    ]
    for fact in facts:
        assert fact in text
        assert fact.replace(">", "&gt;") in html
    assert "it is <slow>" in text
    assert "it is &lt;slow&gt;" in html
    assert "<script" not in html
    assert "http-equiv" not in html


def test_links_that_are_no_web_links_are_left_out() -> None:
    evil = Alert(
        Labels.of(alertname="A"),
        Labels.of(runbook_url="javascript:alert(1)"),
        generator_url="data:text/html,x",
    )
    html = mail.html(message(evil))
    assert "javascript:" not in html
    assert "data:text" not in html


def test_a_thousand_alerts_make_a_mail_of_bearable_size() -> None:
    html = mail.html(message(*(alert(instance=str(n)) for n in range(1000))))
    assert "… and 950 more" in html
    assert len(html) < 250_000


def test_slack_says_what_is_wrong() -> None:
    config = SlackConfig(NO_SECRET, channel="#alerts")
    told = message(alert(severity="critical", i="a"), alert(severity="critical", i="b<c"))
    payload = SlackChannel(config, Tools(None, Texts())).payload(told)  # type: ignore[arg-type]
    assert payload["channel"] == "#alerts"
    (attachment,) = payload["attachments"]  # type: ignore[misc]
    assert attachment["color"] == "danger"
    assert attachment["title"] == "[FIRING:2] Slow"
    assert attachment["fields"] == [{"title": "severity", "value": "critical", "short": True}]
    first, second = attachment["text"].split("\n", 1)
    assert first == "*Slow* it is &lt;slow&gt;"
    assert second.startswith("2 against &gt; 1 · since <!date^1699999276^")
    assert "`i=b&lt;c`" in second
    assert [action["text"] for action in attachment["actions"]] == ["Dashboard", "Silence"]


@pytest.mark.parametrize(
    ("severity", "ended", "colour"),
    [
        ("critical", False, "danger"),
        ("warning", False, "warning"),
        ("", False, "danger"),
        ("critical", True, "good"),
    ],
)
def test_slack_colours(severity: str, ended: bool, colour: str) -> None:
    channel = SlackChannel(SlackConfig(NO_SECRET), Tools(None, Texts()))  # type: ignore[arg-type]
    (attachment,) = channel.payload(message(alert(severity=severity, ended=ended)))["attachments"]  # type: ignore[misc]
    assert attachment["color"] == colour


def test_slack_as_configured(tmp_path: Path) -> None:
    own = tmp_path / "own.tmpl"
    own.write_text('{{ define "slack.default.title" }}OWN {{ .GroupKey }}{{ end }}')
    config = SlackConfig(
        NO_SECRET,
        channel="{{ .Nope.No }}",
        color='{{ if eq .Status "firing" }}#abcdef{{ end }}',
        text="{{ range .Alerts.Firing }}{{ .Annotations.summary }}{{ end }}",
        fields=(ChatField("Severity", "{{ .CommonLabels.severity }}", True),),
        message_text="hello",
    )
    payload = SlackChannel(config, Tools(None, Texts([str(own)]))).payload(message(alert(severity="info")))  # type: ignore[arg-type]
    assert "channel" not in payload
    assert payload["text"] == "hello"
    (attachment,) = payload["attachments"]  # type: ignore[misc]
    assert (attachment["color"], attachment["text"]) == ("#abcdef", "it is <slow>")
    assert attachment["title"] == "OWN k"
    assert attachment["fields"] == [{"title": "Severity", "value": "info", "short": True}]
    assert "actions" not in attachment


@pytest.mark.parametrize(
    ("said", "ok", "retry"),
    [
        ("ok", True, False),
        ('{"ok": true, "ts": "1"}', True, False),
        ('{"success": true}', True, False),
        ('{"ok": false, "error": "channel_not_found"}', False, False),
        ('{"ok": false, "error": "ratelimited"}', False, True),
        ("invalid_payload", False, False),
    ],
)
def test_slack_refuses_with_200(said: str, ok: bool, retry: bool) -> None:
    found = _understood(Answer(Delivery(True), 200, said.encode()))
    assert (found.ok, found.retry) == (ok, retry)


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")
@pytest.mark.skipif(not DEFAULTS.exists(), reason="Alertmanager's default templates are not installed")
@pytest.mark.parametrize("common", [True, False])
def test_default_templates_beside_those_of_alertmanager(tmp_path: Path, common: bool) -> None:
    """amtool renders its own defaults; ours must say the same, except for the product's name and address."""
    told = message(
        alert(severity="critical", job="api", instance="a"),
        alert(severity="critical" if common else "info", job="api", instance="b", ended=True),
    )
    names = [name for name in re.findall(r'define "([^"]+)"', DEFAULTS.read_text()) if "html" not in name]
    lists = {"__text_alert_list", "__text_alert_list_markdown", "pagerduty.default.instances"}
    calls = (f'{{{{ template "{name}" {".Alerts.Firing" if name in lists else "."} }}}}' for name in names)
    text = PRODUCT + "".join(f"<{name}>{call}" for name, call in zip(names, calls, strict=True))
    (tmp_path / "data.json").write_text(json.dumps(_data(told)))
    assert len(names) > 30
    assert Texts().strict(text, told) == _amtool(tmp_path, text)


def _amtool(folder: Path, text: str) -> str:
    asked = ["amtool", "template", "render", f"--template.glob={DEFAULTS}", f"--template.text={text}"]
    done = subprocess.run(
        [*asked, f"--template.data={folder}/data.json"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _data(told: Notification) -> dict[str, object]:
    alerts = [
        {
            "status": "resolved" if each.ends_at_ms else "firing",
            "labels": dict(each.labels),
            "annotations": dict(each.annotations),
            "generatorURL": each.generator_url,
        }
        for each in told.alerts
    ]
    return {
        "receiver": told.receiver,
        "status": told.status,
        "alerts": alerts,
        "groupLabels": dict(told.group_labels),
        "commonLabels": dict(told.common_labels),
        "commonAnnotations": dict(told.common_annotations),
        "externalURL": told.external_url,
    }
