"""The ready functions: what Prometheus and Alertmanager users rely on."""
# ruff: noqa: E501 - a case reads best on one line

from collections.abc import Sequence

import pytest

from backbeat.model.results import QueryError
from backbeat.templating import Template, TemplateError
from backbeat.templating.functions import Sample, alertmanager_functions, prometheus_functions
from backbeat.templating.records import KV, AlertRecord, Alerts, NotificationRecord, common


def answer(expr: str) -> Sequence[Sample]:
    if expr == "bad":
        raise QueryError("no such thing")
    return [Sample({"instance": "b:1"}, 11.0), Sample({"instance": "a:2", "__value__": "x"}, 21.0)]


def prometheus(text: str, data: object = None, *, html: bool = False) -> str:
    functions = prometheus_functions(
        query=answer, now_s=1435065584.128, external_url="http://localhost:9090/path/prefix"
    )
    return Template.parse(text, functions=functions, html=html).render(data)


def alertmanager(text: str, data: object = None) -> str:
    functions = alertmanager_functions(now_ms=1_700_000_000_000, route_labels={"team": "x"})
    return Template.parse(text, functions=functions).render(data)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('{{ query "metric" | first | value }}', "11"),
        ('{{ query "metric" | sortByLabel "instance" | first | label "instance" }}', "a:2"),
        ('{{ range query "metric" }}{{ .Labels.instance }}:{{ .Value }}:{{ end }}', "b:1:11:a:2:21:"),
        ('{{ range query "metric" | sortByLabel "instance" }}{{ strvalue . }},{{ end }}', "x,,"),
        ('{{ range args 1 "a" }}{{ . }} {{ end }}', "1 a "),
        ('{{ reReplaceAll "(a)b" "x$1" "ab" }}', "xa"),
        ('{{ reReplaceAll "(?P<n>a)(.)" "${n}-$2x" "abc" }}', "a-c"),
        ('{{ match "a+" "aa" }} {{ match "a+" "b" }}', "true false"),
        ('{{ title "aa bb CC" }} {{ toUpper "aa" }} {{ toLower "BB" }}', "Aa Bb CC AA bb"),
        (
            '{{ stripPort "localhost:9090" }} {{ stripPort "[::1]:80" }} {{ stripPort "::1" }}',
            "localhost ::1 ::1",
        ),
        (
            '{{ stripDomain "a.b.c:80" }} {{ stripDomain "1.2.3.4:80" }} {{ stripDomain "x.y" }}',
            "a:80 1.2.3.4:80 x",
        ),
        ("{{ externalURL }} {{ pathPrefix }}", "http://localhost:9090/path/prefix /path/prefix"),
        (
            '{{ graphLink "up{}" }} {{ tableLink "up" }}',
            "/graph?g0.expr=up%7B%7D&g0.tab=0 /graph?g0.expr=up&g0.tab=1",
        ),
        ('{{ parseDuration "1h2m10ms" }} {{ parseDuration "-1m" }}', "3720.01 -60"),
        ("{{ now | toTime }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        ('{{ urlQueryEscape "a b&c" }}', "a+b%26c"),
        ("{{ 90 | toDuration }} {{ 0.0015 | toDuration }}", "1m30s 1.5ms"),
        (
            '{{ humanizeTimestamp 1435065584.128 }} {{ humanizeTimestamp "NaN" }}',
            "2015-06-23 13:19:44.128 +0000 UTC NaN",
        ),
    ],
)
def test_prometheus_functions(call: str, text: str) -> None:
    assert prometheus(call) == text


@pytest.mark.parametrize(
    ("function", "values", "texts"),
    [
        (
            "humanize",
            [0.0, 1.0, 1234567.0, 0.12, float("inf"), -1500.0, 5e-6],
            ["0", "1", "1.235M", "120m", "+Inf", "-1.5k", "5u"],
        ),
        ("humanize1024", [0.0, 1048576.0, 0.12, 1.0, 1500.0], ["0", "1Mi", "0.12", "1", "1.465ki"]),
        (
            "humanizeDuration",
            [0.0, 1.0, 60.0, 3600.0, 86400.0, 90061.0, -3600.5, 0.1, 0.0001, 899.99],
            [
                "0s",
                "1s",
                "1m 0s",
                "1h 0m 0s",
                "1d 0h 0m 0s",
                "1d 1h 1m 1s",
                "-1h 0m 0s",
                "100ms",
                "100us",
                "14m 59s",
            ],
        ),
        (
            "humanizePercentage",
            [-1.0, 0.0, 1.0, 0.1234567, 5.6789],
            ["-100%", "0%", "100%", "12.35%", "567.9%"],
        ),
    ],
)
def test_humanize(function: str, values: list[float], texts: list[str]) -> None:
    assert [prometheus(f"{{{{ {function} . }}}}", value) for value in values] == texts
    assert prometheus(f"{{{{ {function} . }}}}", str(values[1])) == texts[1]


def test_a_failing_query_is_a_template_error() -> None:
    with pytest.raises(TemplateError, match="error calling query: no such thing"):
        prometheus('{{ query "bad" }}')


def test_tmpl_gives_a_template_as_a_value() -> None:
    text = '{{ define "x" }}<b>{{ . }}</b>{{ end }}{{ $name := "x" }}{{ tmpl $name "<i>" }}'
    assert prometheus(text) == "<b><i></b>"
    assert prometheus(text, html=True) == "<b>&lt;i&gt;</b>"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('{{ "abc DEF" | title }} {{ trimSpace " a " }}', "Abc Def a"),
        ('{{ stringSlice "a" "b" | join "," }}', "a,b"),
        ('{{ list 1 "a" 2.5 true | join "," }}', "1,a,2.5,true"),
        ('{{ addDuration "-30m" now }} {{ now | addDuration "1.5s" }}', "1699998200000 1700000001500"),
        ('{{ list 1 "a" | len }} {{ append (list 1) 2 3 }}', "2 [1 2 3]"),
        ('{{ (dict "a" 1 "b" (list 2)).b }} {{ (dict "a" 1).none }}', "[2] <no value>"),
        ('{{ dict "b" "<x>" "a" 1.5 | toJson }}', '{"a":1.5,"b":"\\u003cx\\u003e"}'),
        ('{{ base64encode "a?b>" }} {{ base64encode "a?b>" | base64decode }}', "YT9iPg== a?b>"),
        ('{{ urlUnescape "a%20b+c" }}', "a b c"),
        ('{{ date "2006-01-02 15:04:05 MST" now }}', "2023-11-14 22:13:20 UTC"),
        (
            '{{ date "Mon, 02 Jan 2006 15:04:05 -0700" (now | tz "Europe/Berlin") }}',
            "Tue, 14 Nov 2023 23:13:20 +0100",
        ),
        ('{{ date "3:04PM Monday January 2 06 .000 Z07:00" now }}', "10:13PM Tuesday November 14 23 .000 Z"),
        ('{{ since (toDate "2006-01-02" "2023-11-14") }}', "22h13m20s"),
        ('{{ (since (toDate "2006-01-02" "2023-11-14")).Hours | printf "%.1f" }}', "22.2"),
        ('{{ humanizeDuration (since (toDate "2006-01-02" "2023-11-14")) }}', "22h 13m 20s"),
        (
            '{{ (mustToDate "2006-01-02T15:04:05Z07:00" "2024-02-29T13:00:05.5+02:00").UTC }}',
            "2024-02-29 11:00:05.5 +0000 UTC",
        ),
        ('{{ (toDate "2006-01-02" "nonsense").IsZero }}', "true"),
        ('{{ now.Unix }} {{ now.Format "15h" }} {{ now.Weekday }}', None),
        ('{{ routeLabels "team" }}|{{ routeLabels "none" }}', "x|"),
    ],
)
def test_alertmanager_functions(call: str, text: str | None) -> None:
    if text is None:
        call, text = call.replace("now.", "$n.").join(("{{ $n := now }}", "")), "1700000000 22h Tuesday"
    assert alertmanager(call) == text


def notification() -> NotificationRecord:
    first = {"alertname": "Slow", "job": "api", "zone": "a"}
    second = {"alertname": "Slow", "job": "api", "zone": "b"}
    alerts = Alerts(
        AlertRecord(status, KV(labels), KV({"summary": "s"}), 1_700_000_000_000, ends, "http://x", "f00")
        for status, labels, ends in (("firing", first, 0), ("resolved", second, 1_700_000_060_000))
    )
    return NotificationRecord(
        "team", "firing", alerts, KV({"job": "api"}), common([first, second]), KV(), external_url="http://bb"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            '[{{ .Status | toUpper }}:{{ .Alerts.Firing | len }}] {{ .GroupLabels.SortedPairs.Values | join " " }}',
            "[FIRING:1] api",
        ),
        ('{{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join " " }}{{ end }}', "Slow"),
        (
            "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}",
            "alertname=Slow;job=api;",
        ),
        ('{{ (.CommonLabels.Remove (stringSlice "job")).Names.Join "," }}', "alertname"),
        (
            "{{ range .Alerts }}{{ .Labels.zone }}{{ .Labels.none }}{{ .Annotations.summary }} {{ end }}",
            "as bs ",
        ),
        (
            "{{ (index .Alerts 0).StartsAt.Unix }} {{ len .Alerts }} {{ .CommonLabels }}",
            "1700000000 2 alertname=Slow, job=api",
        ),
        (
            '{{ range .Alerts.Resolved }}{{ .EndsAt.Sub .StartsAt }} {{ .StartsAt.Format "15:04" }}{{ end }}',
            "1m0s 22:13",
        ),
        ("{{ range $k, $v := .GroupLabels }}{{ $k }}{{ $v }}{{ end }} {{ .CommonLabels.job }}", "jobapi api"),
        (
            "{{ if .CommonAnnotations }}x{{ else }}none{{ end }} {{ if gt (len .CommonLabels) (len .GroupLabels) }}more{{ end }}",
            "none more",
        ),
        (
            "{{ .GroupLabels | toJson }} {{ (index .Alerts 1).EndsAt | toJson }}",
            '{"job":"api"} "2023-11-14T22:14:20Z"',
        ),
    ],
)
def test_notification_data(call: str, text: str) -> None:
    assert alertmanager(call, notification()) == text


def test_a_misspelt_field_names_the_nearest() -> None:
    with pytest.raises(
        TemplateError, match=r"can't evaluate field Alert in type \*template.Data; did you mean .Alerts\?"
    ):
        alertmanager("{{ .Alert }}", notification())


def test_nothing_of_python_can_be_reached() -> None:
    for name in ("__class__", "fields", "methods", "alerts", "status"):
        with pytest.raises(TemplateError):
            alertmanager(f"{{{{ .{name} }}}}", notification())
