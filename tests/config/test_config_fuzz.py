"""Whatever the bytes, loading gives a configuration or ConfigErrors, and masking keeps the content."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbeat.cli.check import check_as, parsers
from backbeat.config.backbeat import Config
from backbeat.config.file_kinds import FileKind
from backbeat.config.findings import ConfigErrors, Findings
from backbeat.config.load import Reader, load_with
from backbeat.config.nodes import Mapping, Node, Scalar, Sequence

PARSERS = parsers()
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
FILES = {
    "prometheus.yml": """
global: {scrape_interval: 15s, external_labels: {a: "${B}"}}
rule_files: ["rules*.yml"]
scrape_config_files: ["jobs*.yml"]
scrape_configs:
- job_name: a
  static_configs: [{targets: ["h:1"], labels: {x: y}}]
  file_sd_configs: [{files: [a.json], refresh_interval: 5m}]
  relabel_configs: [{source_labels: [a], regex: "(.*)", target_label: b, action: replace, modulus: 0x10}]
  basic_auth: {username: u, password: p}
  tls_config: {ca_file: c, min_version: TLS12}
  kubernetes_sd_configs: [{role: pod, selectors: [{role: pod, field: a=b, label: "c in (d, e)"}]}]
alerting: {alertmanagers: [{static_configs: [{targets: ["am:9093"]}], timeout: 5s}]}
remote_write: [{url: "https://u:p@h/w", queue_config: {capacity: 1_000}, sigv4: {region: r}}]
storage: {tsdb: {out_of_order_time_window: 1h, retention: {time: 5d, size: 1GB, percentage: .5}}}
""",
    "rules.yml": """
groups:
- name: g
  interval: 1m
  labels: {a: b}
  rules:
  - &r
    alert: A
    expr: |
      sum(rate(x{a="b"}[5m])) > 1
    for: 5m
    annotations: {summary: "{{ $labels.a }} {{ $value | humanize }}"}
  - <<: *r
    alert: B
  - record: a:b
    expr: 'sum(up)'
""",
    "alertmanager.yml": """
global: {smtp_smarthost: "m:25", smtp_from: f, slack_api_url: "https://h/x", http_config: {proxy_url: "http://p"}}
route:
  receiver: a
  group_by: [alertname]
  routes:
  - {matchers: [a="b", 'c=~"d|e"'], group_wait: 10s, active_time_intervals: [t], match_re: {x: y.*}}
receivers:
- name: a
  email_configs: [{to: t, headers: {Subject: s}}]
  slack_configs: [{channel: c, fields: [{title: a, value: b}], timeout: 1.5s}]
  webhook_configs: [{url: "http://h/{{ .Status }}", max_alerts: 5}]
  opsgenie_configs: [{api_key: k, responders: [{id: i, type: team}]}]
inhibit_rules: [{source_matchers: [a=b], target_match: {c: d}, equal: [e]}]
time_intervals:
- name: t
  time_intervals:
  - {times: [{start_time: "09:00", end_time: "17:00"}], weekdays: [mon], days_of_month: ["-1"], months: [1:3]}
""",
    "backbeat.yml": "retention_time: 5d\nretention_size: 10GB\nallowed_hosts: [a]\n",
    "web.yml": "basic_auth_users: {a: b}\ntls_server_config: {min_version: TLS12}\n",
}
NASTY = [
    *(
        "",
        "~",
        "!!binary 'AA=='",
        "!!python/object:os.system x",
        "[",
        "]",
        "{",
        "}",
        "&a",
        "*a",
        "<<",
        "|",
        ">",
        "'",
        '"',
    ),
    *(
        "\t",
        "\n",
        ": ",
        "- ",
        "#",
        "---\n",
        "...\n",
        "%",
        "?",
        "\\",
        "${A}",
        "{{",
        "}}",
        "$",
        "\u0085",
        "\u2028",
        "\U0001f600",
    ),
    *(
        "99999999999999999999",
        "-1",
        "1e400",
        ".nan",
        "0x",
        "0b2",
        "1_0",
        "5 min",
        "9" * 5000,
        "true",
        "null",
        "\\ud800",
    ),
    *('"\\0"', '"\\ud83d"', "/" * 300, "**", "(?P<a>", "a" * 300, "::", "[::1]:9", "@", "http://[", "%zz"),
]


def load(files: dict[str, bytes]) -> Config | None:
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
        reader = Reader(PARSERS, {"A": "x"})
        found: Config | None = None
        with suppress(ConfigErrors):
            found = load_with(reader, Path(name))
        assert (found is None) == bool(reader.findings.error_count)
        assert all(each.at.line >= 1 and each.at.column >= 1 for each in reader.findings)
        return found


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(FILES)))
    text = FILES[name]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 12))
        text = text[:start] + draw(st.sampled_from(NASTY)) + text[start + length :]
    return name, text.encode("utf-8", "surrogatepass")


def test_the_seed_of_the_mutations_is_sound() -> None:
    files = {
        name: text.replace("mon]", "monday]").encode() for name, text in FILES.items() if name != "web.yml"
    }
    assert load(files) is not None


@SETTINGS
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=200))
def test_random_bytes(name: str, content: bytes) -> None:
    load({"prometheus.yml": b"", name: content})


@SETTINGS
@given(mutated())
def test_mutated_files(case: tuple[str, bytes]) -> None:
    name, content = case
    load({"prometheus.yml": FILES["prometheus.yml"].encode(), name: content})


@SETTINGS
@given(st.sampled_from(list(FileKind)), mutated())
def test_a_file_read_as_any_kind(kind: FileKind, case: tuple[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.yml"
        path.write_bytes(case[1])
        check_as(kind, path, Reader(PARSERS, {}, Findings()))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@SETTINGS
@given(VALUES, st.sampled_from(sorted(FILES)))
def test_any_values_in_any_field(value: object, name: str) -> None:
    import yaml

    from backbeat.config.alertmanager_fields import ALERTMANAGER
    from backbeat.config.prometheus_fields import PROMETHEUS

    fields = {**PROMETHEUS.fields, **ALERTMANAGER.fields}
    text = yaml.safe_dump(dict.fromkeys(sorted(fields), value), allow_unicode=False)
    load({"prometheus.yml": b"", name: text.encode()})


@SETTINGS
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
def test_masking_nothing_changes_nothing(value: dict[str, object]) -> None:
    import yaml

    from backbeat.config.masking import masked
    from backbeat.config.nodes import go_bool, go_number, is_null
    from backbeat.config.yaml_reader import parse

    def meaning(node: Node | None) -> object:
        if isinstance(node, Mapping):
            return {key.text: meaning(each) for key, each in node.entries}
        if isinstance(node, Sequence):
            return [meaning(item) for item in node.items]
        assert isinstance(node, Scalar)
        return (node.text, is_null(node), go_bool(node), repr(go_number(node)))

    findings = Findings()
    before = parse(yaml.safe_dump(value).encode(), "x", findings)
    assert before is not None, list(findings)
    again = parse(masked(before, set()).encode(), "x", findings)
    assert again is not None, list(findings)
    assert before.root is not None
    assert again.root is not None
    assert meaning(again.root) == meaning(before.root)
