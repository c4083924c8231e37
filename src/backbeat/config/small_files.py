"""web.yml as Prometheus's exporter-toolkit defines it, and Backbeat's own backbeat.yml.

In:  nodes of either file. Out: `WebAuth`, `BackbeatConfig`.
"""

from __future__ import annotations

import os
import re

from backbeat.config.backbeat import BackbeatConfig, WebAuth
from backbeat.config.http_fields import TLS_VERSIONS
from backbeat.config.kinds import DURATION, FLAG, INTEGER, SIZE, TEXT, GoDuration, OneOf, Url, texts
from backbeat.config.schema import ListOf, MapOf, Section, Struct, quoted
from backbeat.config.secret_kinds import SECRET

_BCRYPT = re.compile(r"\$2[abxy]?\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_ENUMERATED_HEADERS = {"X-Content-Type-Options": ("nosniff",), "X-Frame-Options": ("deny", "sameorigin")}
_HEADERS = (*_ENUMERATED_HEADERS, "Strict-Transport-Security", "X-XSS-Protection", "Content-Security-Policy")
_CLIENT_AUTH = (
    "",
    "NoClientCert",
    "RequestClientCert",
    "RequireAnyClientCert",
    "RequireClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
)
_CIPHERS = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)


def _check_tls(section: Section) -> None:
    names = ("cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type")
    if not any(section.has(name) for name in names):
        return
    if not section.has("cert") and not section.has("cert_file"):
        section.error("cert_file", "missing one of cert or cert_file")
    if not section.has("key") and not section.has("key_file"):
        section.error("key_file", "missing one of key or key_file")
    authority = "client_ca_file" if section.has("client_ca_file") else "client_ca"
    if section.has(authority) and section.get("client_auth_type", "") in ("", "NoClientCert"):
        section.error(
            authority, "client CA's have been configured without a Client Auth Policy (client_auth_type)"
        )
    for name in ("cert_file", "key_file", "client_ca_file"):
        path = section.reading.join(section.get(name) or "")
        if path and not os.path.isfile(path):
            section.error(name, f"there is no file {path}")
    for name in ("cert", "key", "client_ca"):
        if section.has(name):
            # Served without it, connections would not be what the file promises.
            section.error(name, f"{name} with the text itself is not yet supported; use {name}_file")
    if section.has("client_allowed_sans"):
        section.error(
            "client_allowed_sans",
            "is not yet supported; without it every certificate of client_ca_file is let in",
        )


def _check_headers(section: Section) -> None:
    for name, value in section.get("headers") or ():
        path = f"{section.field('headers')}.{name}"
        if name not in _HEADERS:
            message = (
                f"HTTP header {quoted(name)} can not be configured; expected one of {', '.join(_HEADERS)}"
            )
            section.reading.error(section.at("headers"), path, message)
        elif name in _ENUMERATED_HEADERS and value not in _ENUMERATED_HEADERS[name]:
            expected = " or ".join(_ENUMERATED_HEADERS[name])
            section.reading.error(section.at("headers"), path, f"found {quoted(value)}, expected {expected}")


def _check_users(section: Section) -> None:
    for name, secret in section.get("basic_auth_users") or ():
        if secret is None or not _BCRYPT.fullmatch(secret.reveal()):
            path = f"{section.field('basic_auth_users')}.{name}"
            message = 'found a text that is no bcrypt hash, expected one such as `htpasswd -nBC 10 ""` prints'
            section.reading.error(section.at("basic_auth_users"), path, message)
    if section.has("rate_limit"):
        section.warn("rate_limit", "rate_limit is read but not yet supported")


WEB = Struct(
    "web.yml",
    {
        "tls_server_config": Struct(
            "tls_server_config",
            {
                **dict.fromkeys(("cert", "client_ca", "cert_file", "key_file", "client_ca_file"), TEXT),
                "key": SECRET,
                "client_auth_type": OneOf(_CLIENT_AUTH, what="a client authentication"),
                "cipher_suites": ListOf(OneOf(_CIPHERS, what="a cipher")),
                "curve_preferences": ListOf(
                    OneOf(("CurveP256", "CurveP384", "CurveP521", "X25519"), what="a curve")
                ),
                "min_version": OneOf(TLS_VERSIONS, what="a TLS version"),
                "max_version": OneOf(TLS_VERSIONS, what="a TLS version"),
                "prefer_server_cipher_suites": FLAG,
                "client_allowed_sans": texts(),
            },
            _check_tls,
        ),
        "http_server_config": Struct(
            "http_server_config", {"http2": FLAG, "headers": MapOf(TEXT)}, _check_headers
        ),
        "rate_limit": Struct("rate_limit", {"burst": INTEGER, "interval": GoDuration()}),
        "basic_auth_users": MapOf(SECRET),
    },
    _check_users,
    instead={
        "tls_config": "did you mean `tls_server_config`?",
        "users": "did you mean `basic_auth_users`?",
        "basic_auth": "did you mean `basic_auth_users`?",
        "headers": "it belongs under `http_server_config`",
        "cert_file": "it belongs under `tls_server_config`",
        "key_file": "it belongs under `tls_server_config`",
    },
)


def web_auth(section: Section) -> WebAuth:
    """The typed value of a web.yml without mistakes."""
    tls, http = section.get("tls_server_config"), section.get("http_server_config")
    users = tuple((name, secret.reveal()) for name, secret in section.get("basic_auth_users") or () if secret)
    headers = (http.get("headers") or ()) if http is not None else ()
    if tls is None:
        return WebAuth(users=users, headers=headers)
    join = section.reading.join
    return WebAuth(
        users=users,
        tls_cert_file=join(tls.get("cert_file", "")),
        tls_key_file=join(tls.get("key_file", "")),
        client_ca_file=join(tls.get("client_ca_file", "")),
        client_auth_type=tls.get("client_auth_type") or "NoClientCert",
        min_version=tls.get("min_version") or "TLS12",
        headers=headers,
    )


def _check_backbeat(section: Section) -> None:
    for name in (
        "query_timeout",
        "lookback_delta",
        "query_max_concurrency",
        "query_max_samples",
        "retention_time",
    ):
        if name in section.keys and section.get(name, 1) <= 0:
            section.error(name, "found 0 or less, expected more than 0")
    if section.get("retention_size", 0) < 0:
        section.error("retention_size", "found less than 0, expected a size such as 10GB, or 0 for no limit")


_MILLISECONDS = ("fsync_interval", "retention_time", "host_interval", "query_timeout", "lookback_delta")
_PLAIN = (
    "external_url",
    "host_collector",
    "query_max_concurrency",
    "query_max_samples",
    "enable_lifecycle_api",
    "enable_admin_api",
    "enable_remote_write_receiver",
    "allow_unauthenticated",
)
BACKBEAT = Struct(
    "backbeat.yml",
    {
        **dict.fromkeys(_MILLISECONDS, DURATION),
        "external_url": Url(http=True),
        "retention_size": SIZE,
        "query_max_concurrency": INTEGER,
        "query_max_samples": INTEGER,
        **dict.fromkeys(
            (
                "host_collector",
                "enable_lifecycle_api",
                "enable_admin_api",
                "enable_remote_write_receiver",
                "allow_unauthenticated",
            ),
            FLAG,
        ),
        "allowed_hosts": texts(),
        "state": SECRET,
        "database_url": SECRET,
        "links": MapOf(Url(http=True), what="a mapping of names to URLs"),
    },
    _check_backbeat,
    instead={
        "retention": "did you mean `retention_time` or `retention_size`?",
        "global": "it belongs in prometheus.yml",
        "scrape_configs": "it belongs in prometheus.yml",
        "basic_auth_users": "it belongs in web.yml",
    },
)


def backbeat_config(section: Section) -> BackbeatConfig:
    """The typed value of a backbeat.yml without mistakes; what it leaves out has its default."""
    given = {name for name, value in section.values.items() if value not in (None, "", ())}
    fields = {f"{name}_ms": section.get(name) for name in _MILLISECONDS if name in given}
    fields |= {name: section.get(name) for name in _PLAIN if name in given}
    if "retention_size" in given:
        fields["retention_size_bytes"] = section.get("retention_size")
    if "allowed_hosts" in given:
        fields["allowed_hosts"] = section.get("allowed_hosts")
    if "links" in given:
        fields["links"] = section.get("links")
    if database := section.get("state") or section.get("database_url"):
        fields["database_url"] = database.reveal()
    return BackbeatConfig(**fields)
