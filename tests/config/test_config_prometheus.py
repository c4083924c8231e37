"""prometheus.yml: what it says in typed values, and where it is wrong."""

from __future__ import annotations

import pytest
from config_fixtures import Load, Mistakes

from backbeat.config.http_client import SecretSource
from backbeat.config.prometheus import FileSD, RelabelConfig
from backbeat.config.secret import Secret

JOB = "scrape_configs:\n- job_name: a\n"


def test_an_empty_file_is_a_configuration(load: Load) -> None:
    config = load(prometheus="")
    assert config.prometheus.scrape_interval_ms == 60_000
    assert config.prometheus.scrape_configs == ()
    assert config.alertmanager is None
    assert config.warnings == ()


def test_a_job_takes_from_global_what_it_does_not_say(load: Load) -> None:
    config = load(
        prometheus="""
global: {scrape_interval: 15s, sample_limit: 5, body_size_limit: 1MB, evaluation_interval: 1m30s}
scrape_configs:
- job_name: a
  static_configs:
  - targets: [h:1, h:2]
    labels: {team: x, empty: ''}
- job_name: b
  scrape_interval: 5s
  scheme: https
  params: {module: [x, y]}
  basic_auth: {username: u, password: p}
  tls_config: {insecure_skip_verify: yes}
  honor_timestamps: no
  sample_limit: 7
"""
    )
    a, b = config.prometheus.scrape_configs
    assert (a.scrape_interval_ms, a.scrape_timeout_ms, a.sample_limit, a.body_size_limit) == (
        15_000,
        10_000,
        5,
        1 << 20,
    )
    assert a.discovery.static_configs[0].targets == ("h:1", "h:2")
    assert a.discovery.static_configs[0].labels == (("team", "x"),)
    assert (b.scrape_interval_ms, b.scrape_timeout_ms, b.sample_limit) == (5000, 5000, 7)
    assert (b.scheme, b.params, b.honor_timestamps) == ("https", (("module", ("x", "y")),), False)
    assert (b.http.username, b.http.password, b.http.tls.insecure_skip_verify) == (
        "u",
        SecretSource(Secret("p")),
        True,
    )
    assert config.prometheus.evaluation_interval_ms == 90_000


def test_null_means_not_set_as_it_does_upstream(load: Load) -> None:
    config = load(
        prometheus="global:\nalerting: {alertmanagers: [{static_configs: [{targets: }]}]}\n"
        + JOB
        + "  scrape_interval:\n  relabel_configs: [{target_label: x, replacement: , regex: }]\n"
    )
    assert config.prometheus.alertmanagers[0].discovery.static_configs[0].targets == ()
    step = config.prometheus.scrape_configs[0].relabel_configs[0]
    assert step == RelabelConfig(regex="", target_label="x", replacement="")


def test_files_are_relative_to_the_file_that_names_them(
    load: Load, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = load(
        prometheus=JOB + "  bearer_token_file: token\n  file_sd_configs: [{files: ['targets/*.json']}]\n",
        token="x",
    )
    job = config.prometheus.scrape_configs[0]
    assert job.http.authorization.file == f"{config.directory}/token"
    assert job.discovery.file_sd_configs == (FileSD((f"{config.directory}/targets/*.json",), 300_000),)


def test_rule_files_and_scrape_config_files_are_read_by_their_globs(load: Load) -> None:
    group = "groups:\n- name: {0}\n  rules: [{{record: x:y, expr: 1}}]\n"
    config = load(
        prometheus="rule_files: ['rules_*.yml', rules_a.yml]\nscrape_config_files: ['jobs_*.yml']\n" + JOB,
        rules_a=group.format("a"),
        rules_b=group.format("b"),
        jobs_1="scrape_configs: [{job_name: b}]\n",
    )
    assert [group.name for group in config.prometheus.rule_groups] == ["a", "b"]
    assert [job.job_name for job in config.prometheus.scrape_configs] == ["a", "b"]


def test_external_labels_take_variables_of_the_environment(load: Load) -> None:
    text = "global: {external_labels: {a: '${A}-$B-$$', b: $NONE}}\n"
    config = load({"A": "1", "B": "2"}, prometheus=text)
    assert config.prometheus.external_labels == (("a", "1-2-$"),)
    assert "the environment variable NONE is empty" in config.warnings[0]


def test_what_backbeat_cannot_discover_yet_is_valid_and_said(load: Load) -> None:
    config = load(
        prometheus=JOB + "  kubernetes_sd_configs: [{role: pod}]\nremote_write: [{url: 'http://x/'}]\n"
    )
    assert config.prometheus.scrape_configs[0].discovery.unsupported == ("kubernetes_sd_configs",)
    assert [warning.partition("warning: ")[2] for warning in config.warnings] == [
        (
            "scrape_configs[0].kubernetes_sd_configs: kubernetes_sd_configs is read but not yet supported: "
            "these targets are not scraped"
        ),
        "remote_write: remote_write is read but not yet supported: nothing is sent to or read from there",
    ]


def test_what_prometheus_limits_with_a_feature_flag_only_is_valid_and_said(load: Load) -> None:
    config = load(
        prometheus="""
global: {query_max_series: 5, query_max_samples_read: 0, query_max_duration: 1m}
runtime: {log_level: WARN}
scrape_configs:
- job_name: a
  scrape_protocols: [OpenMetricsText2.0.0, PrometheusText0.0.4]
"""
    )
    assert config.prometheus.log_level == "warn"
    said = [warning.partition("warning: ")[2] for warning in config.warnings]
    assert [each.partition(": ")[0] for each in said] == [
        "global.query_max_series",
        "global.query_max_duration",
        "scrape_configs[0].scrape_protocols[0]",
    ]
    assert said[1].endswith("; `query_timeout` in backbeat.yml limits how long a query may take")


def test_all_mistakes_of_all_files_come_at_once(mistakes: Mistakes) -> None:
    found = mistakes(
        prometheus="rule_files: [rules.yml]\nscrape_configs:\n- job_nam: a\n  scrape_interval: 5 min\n",
        rules="groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up ==\n    for: 5 min\n",
        alertmanager="receivers: []\n",
    )
    assert [each.split(": ")[0] for each in found] == [
        "alertmanager.yml:1:1",
        "prometheus.yml:3:3",
        "prometheus.yml:3:3",
        "prometheus.yml:4:20",
        "rules.yml:5:16",
        "rules.yml:6:10",
    ]
    assert found[-1] == (
        "rules.yml:6:10: groups[0].rules[0].for: found '5 min', expected a duration such as 30s or 1h30m"
    )
    assert "prometheus.yml:3:3: scrape_configs[0].job_nam: unknown field; did you mean `job_name`?" in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scrape_interval: 5s\n", "scrape_interval: unknown field; it belongs under `global`"),
        ("global: {scrape_interval: 15}\n", "found '15', expected a duration such as 30s or 1h30m"),
        (
            "global: {scrape_interval: 5s, scrape_timeout: 6s}\n",
            "global scrape timeout greater than scrape interval",
        ),
        ("global: [a]\n", "global: found a list, expected a mapping"),
        (JOB + "  honor_labels: maybe\n", "honor_labels: found 'maybe', expected true or false"),
        (JOB + "  sample_limit: -1\n", "sample_limit: found '-1', expected a whole number of at least 0"),
        (JOB + "  sample_limit: '1'\n", "sample_limit: found '1', expected a whole number"),
        (JOB + "  body_size_limit: 10\n", "expected a size such as 512MB or 10GB"),
        (
            JOB + "- job_name: a\n",
            "found multiple scrape configs with job name 'a'; the first one stands on line 2",
        ),
        (JOB + "-\n", "empty or null scrape config section"),
        (JOB + "  static_configs: [{targets: ['http://h/x']}]\n", "'http://h/x' is not a valid hostname"),
        (JOB + "  static_configs: [{targets: h:1}]\n", "targets: found 'h:1', expected a list of texts"),
        (JOB + "  static_configs: [{target: [h:1]}]\n", "did you mean `targets`?"),
        (JOB + "  targets: [h:1]\n", "targets belong under `static_configs`"),
        (
            JOB + "  relabel_configs: [{action: kep}]\n",
            "found 'kep', expected a relabel action: one of replace, keep",
        ),
        (JOB + "  relabel_configs: [{target_label: x, regex: '('}]\n", "invalid regular expression '('"),
        (JOB + "  relabel_configs: [{target_label: x, regex: 'a(?=b)'}]\n", "invalid regular expression"),
        (JOB + "  relabel_configs: [{action: hashmod, target_label: x}]\n", "requires non-zero modulus"),
        (
            JOB + "  relabel_configs: [{action: lowercase, target_label: x, replacement: y}]\n",
            "can not be set",
        ),
        (JOB + "  proxy_url: '://x'\n", "found '://x', expected a URL"),
        (JOB + "  no_proxy: x\n", "no_proxy: needs proxy_url as well"),
        (JOB + "  authorization: {type: Basic}\n", "use `basic_auth` instead"),
        (
            JOB + "  basic_auth: {username: a}\n  oauth2: {client_id: a, token_url: b}\n",
            "expected at most one of",
        ),
        (JOB + "  tls_config: {cert_file: a}\n", "exactly one of key or key_file must be configured"),
        (JOB + "  http_headers: {Host: {values: [x]}}\n", "setting header 'Host' is not allowed"),
        (JOB + "  dns_sd_configs: [{names: [a], type: A}]\n", "a port is required in DNS-SD configs"),
        (JOB + "  ecs_sd_configs: [{request_concurrency: 0}]\n", "request_concurrency must be positive"),
        (JOB + "  file_sd_configs: [{files: [a.txt]}]\n", "is not valid for file discovery"),
        (JOB + "  consul_sd_configs: [{}]\n  scheme: [a]\n", "scheme: found a list, expected text"),
        ("rule_files: [a/*/b.yml]\n", "* is allowed in the last part only"),
        ("scrape_config_files: [nothing.yml]\n", "'nothing.yml' names no file"),
        ("remote_write: [{url: 'http://x', queue_config: {max_shards: 0}}]\n", "max_shards must be positive"),
        ("remote_write: [{url: 'http://x', sigv4: {access_key: a}}]\n", "Access key and Secret Key"),
        (
            "remote_write: [{url: 'http://x', sigv4: {session_name: a.b}}]\n",
            "session_name can only be used with role_arn",
        ),
        (
            "remote_write: [{url: 'http://x', sigv4: {role_arn: a, session_name: 'a b'}}]\n",
            "found 'a b', expected 2 to 64 letters",
        ),
        (
            "remote_write: [{url: 'http://x', sigv4: {role_arn: a, tags: {'': b}}}]\n",
            "a tag's key must not be empty",
        ),
        (
            "runtime: {log_level: loud}\n",
            "found 'loud', expected a log level: one of debug, info, warn, error",
        ),
        ("global: {query_max_series: -1}\n", "found '-1', expected a whole number of at least 0"),
        ("remote_write: [{url: 'http://x', azuread: {}}]\n", "without a way to log in"),
        ("storage: {tsdb: {retention: {percentage: 101}}}\n", "must be in the range [0, 100]"),
        ("otlp: {translation_strategy: x}\n", "one of UnderscoreEscapingWithSuffixes"),
        (
            "alerting: {alertmanagers: [{api_version: v1}]}\n",
            "found 'v1', expected an Alertmanager API version",
        ),
        ("global: {external_labels: {'': x}}\n", "'' is not a valid label name"),
        (
            "global: {metric_name_validation_scheme: legacy, external_labels: {a.b: x}}\n",
            "'a.b' is not a valid label name",
        ),
    ],
)
def test_mistakes(mistakes: Mistakes, text: str, says: str) -> None:
    found = mistakes(prometheus=text)
    assert any(says in each for each in found), found


def test_names_may_be_utf_8_unless_the_file_says_legacy(mistakes: Mistakes) -> None:
    step = "  relabel_configs: [{target_label: größe.m}]\n"
    assert mistakes(prometheus=JOB + step) == []
    assert len(mistakes(prometheus="global: {metric_name_validation_scheme: legacy}\n" + JOB + step)) == 1


def test_an_address_that_a_step_rewrites_may_be_anything(mistakes: Mistakes) -> None:
    blackbox = (
        "  relabel_configs:\n  - {source_labels: [__address__], target_label: __param_target}\n"
        "  - {target_label: __address__, replacement: 'blackbox:9115'}\n"
        "  static_configs: [{targets: ['https://example.org/health']}]\n"
    )
    assert mistakes(prometheus=JOB + blackbox) == []
    unwritten = blackbox.replace("target_label: __address__,", "target_label: instance,")
    assert "is not a valid hostname" in mistakes(prometheus=JOB + unwritten)[0]


def test_a_port_that_serves_no_metrics_is_worth_a_word(load: Load) -> None:
    config = load(prometheus=JOB + "  static_configs: [{targets: ['postgres:5432', 'app:3000']}]\n")
    assert len(config.warnings) == 1
    assert "'postgres:5432' is the port of PostgreSQL itself" in config.warnings[0]
