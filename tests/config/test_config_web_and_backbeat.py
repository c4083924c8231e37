"""backbeat.yml and web.yml."""

from __future__ import annotations

import pytest
from config_fixtures import Load, Mistakes

from backbeat.config.backbeat import BackbeatConfig
from backbeat.config.web import RateLimit

HASH = "$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"


def test_an_empty_backbeat_file_says_the_defaults(load: Load) -> None:
    assert load(backbeat="").backbeat == BackbeatConfig()


def test_backbeat_file(load: Load) -> None:
    settings = load(
        {"PW": "x"},
        backbeat="""
external_url: https://b.example.org
fsync_interval: 0s
retention_time: 90d
retention_size: 10GB
alert_history: 2y
own_alerts: false
silence_warning: 0s
host_collector: false
host_interval: 15s
query_timeout: 30s
query_max_concurrency: 4
query_max_samples: 1000
lookback_delta: 1m
enable_lifecycle_api: false
enable_admin_api: true
enable_remote_write_receiver: false
allowed_hosts: [b.example.org]
allow_unauthenticated: true
state: "postgresql://u:${PW}@h/d"
""",
    ).backbeat
    assert settings == BackbeatConfig(
        external_url="https://b.example.org",
        fsync_interval_ms=0,
        retention_time_ms=90 * 86_400_000,
        retention_size_bytes=10 << 30,
        alert_history_ms=2 * 365 * 86_400_000,
        own_alerts=False,
        silence_warning_ms=0,
        host_collector=False,
        host_interval_ms=15_000,
        query_timeout_ms=30_000,
        query_max_concurrency=4,
        query_max_samples=1000,
        lookback_delta_ms=60_000,
        enable_lifecycle_api=False,
        enable_admin_api=True,
        enable_remote_write_receiver=False,
        allowed_hosts=("b.example.org",),
        allow_unauthenticated=True,
        state="postgresql://u:x@h/d",
    )


def test_web_file(load: Load) -> None:
    web = load(
        cert="x",
        key="y",
        web=f"""
basic_auth_users: {{admin: '{HASH}'}}
tls_server_config: {{cert_file: cert.yml, key_file: key.yml, min_version: TLS13}}
http_server_config: {{headers: {{X-Frame-Options: deny}}}}
rate_limit: {{interval: 500ms, burst: 20}}
""",
    ).web
    assert web is not None
    assert web.users == (("admin", HASH),)
    assert web.tls is not None
    assert (web.tls.cert_file.rpartition("/")[2], web.tls.key_file.rpartition("/")[2]) == (
        "cert.yml",
        "key.yml",
    )
    assert (web.tls.min_version, web.tls.client_auth_type) == ("TLS13", "NoClientCert")
    assert web.rate_limit == RateLimit(0.5, 20)
    assert web.headers == (("X-Frame-Options", "deny"),)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"backbeat": "retention: 5d\n"}, "did you mean `retention_time` or `retention_size`?"),
        ({"backbeat": "query_timeout: 0s\n"}, "expected more than 0"),
        ({"backbeat": "alert_history: 0s\n"}, "expected more than 0"),
        ({"backbeat": "external_url: b.example.org\n"}, "the URL has no scheme"),
        ({"web": "basic_auth_users: {admin: password}\n"}, "no bcrypt hash"),
        ({"web": "tls_server_config: {cert_file: a.pem}\n"}, "missing one of key or key_file"),
        ({"web": "tls_server_config: {cert_file: a.pem, key_file: b.pem}\n"}, "there is no file"),
        ({"web": "http_server_config: {headers: {X-Own: a}}\n"}, "HTTP header 'X-Own' can not be configured"),
        ({"web": "users: {}\n"}, "did you mean `basic_auth_users`?"),
        ({"web": "tls_server_config: {min_version: TLS9}\n"}, "found 'TLS9', expected a TLS version"),
        ({"web": "tls_server_config: {cert: a, key: b, client_auth_type: RequestClientCert}\n"}, "unread"),
        (
            {"web": "tls_server_config: {cert: a, key: b, client_auth_type: RequireAndVerifyClientCert}\n"},
            "needs client_ca_file",
        ),
        (
            {"web": "tls_server_config: {cert: a, key: b, client_allowed_sans: [x]}\n"},
            "to hold for everybody",
        ),
        ({"web": "tls_server_config: {cert: a, cert_file: x, key: b}\n"}, "at most one of cert & cert_file"),
    ],
)
def test_mistakes(mistakes: Mistakes, files: dict[str, str], says: str) -> None:
    found = mistakes(**files)
    assert any(says in each for each in found), found


def test_a_password_that_is_no_hash_is_not_repeated(mistakes: Mistakes) -> None:
    assert "hunter2" not in "\n".join(mistakes(web="basic_auth_users: {admin: hunter2}\n"))
