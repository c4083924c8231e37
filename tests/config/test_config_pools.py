"""What a scrape pool's configuration in force reads like."""

from __future__ import annotations

from typing import Any

import yaml
from config_fixtures import Load

from backbeat.settings import with_host_collector

PROMETHEUS = """
global:
  scrape_interval: 20s
  sample_limit: 300
  body_size_limit: 1MB
  scrape_protocols: [PrometheusText0.0.4]
scrape_configs:
- job_name: "007"
  metrics_path: /m
  sample_limit: 4_0
  basic_auth: {username: bond, password: moneypenny}
  static_configs: [{targets: ["a:1"], labels: {env: prod}}]
scrape_config_files: [more.yml]
"""
MORE = """
scrape_configs:
- job_name: fast
  scrape_interval: 5s
  scheme: https
  honor_timestamps: no
  follow_redirects: false
  authorization: {credentials: moneypenny}
"""


def pools(load: Load) -> dict[str, Any]:
    config = with_host_collector(load(prometheus=PROMETHEUS, more=MORE))
    names = [each.job_name for each in config.prometheus.scrape_configs]
    return dict(zip(names, map(yaml.safe_load, config.prometheus.pools), strict=True))


def test_defaults_and_what_global_says_are_in_it(load: Load) -> None:
    assert pools(load)["007"] == {
        "job_name": "007",
        "honor_timestamps": True,
        "track_timestamps_staleness": False,
        "scrape_interval": "20s",
        "scrape_timeout": "10s",
        "scrape_protocols": ["PrometheusText0.0.4"],
        "metrics_path": "/m",
        "scheme": "http",
        "enable_compression": True,
        "follow_redirects": True,
        "body_size_limit": "1048576B",
        "sample_limit": 40,
        "basic_auth": {"username": "bond", "password": "<secret>"},
        "static_configs": [{"targets": ["a:1"], "labels": {"env": "prod"}}],
    }


def test_of_a_file_that_prometheus_yml_names(load: Load) -> None:
    fast = pools(load)["fast"]
    assert fast["scrape_interval"] == fast["scrape_timeout"] == "5s"
    assert (fast["scheme"], fast["honor_timestamps"], fast["follow_redirects"]) == ("https", False, False)
    assert fast["authorization"] == {"credentials": "<secret>"}


def test_the_host_collector_has_one_too(load: Load) -> None:
    assert pools(load)["node"] == {
        "job_name": "node",
        "honor_timestamps": True,
        "track_timestamps_staleness": False,
        "scrape_interval": "20s",
        "scrape_timeout": "10s",
    }
