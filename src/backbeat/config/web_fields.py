"""Fields of web.yml as Prometheus's exporter-toolkit defines it. In: its nodes. Out: a `WebConfig`."""

from __future__ import annotations

import os
import re

from backbeat.config.http_fields import TLS_VERSIONS
from backbeat.config.kinds import FLAG, INTEGER, TEXT, GoDuration, OneOf, texts
from backbeat.config.schema import ListOf, MapOf, Section, StructOf, quoted
from backbeat.config.secret_kinds import SECRET
from backbeat.config.web import RateLimit, ServerTLS, WebConfig

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
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_VERIFIED = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
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
        section.at_most_one(name, f"{name}_file")
    _check_clients(section)
    if len(section.get("curve_preferences") or ()) > 1:
        section.warn("curve_preferences", "an order of curves cannot be set here; OpenSSL's own is used")


def _check_clients(section: Section) -> None:
    asked = section.get("client_auth_type", "")
    if asked in _UNVERIFIED:
        section.error(
            "client_auth_type",
            f"found {asked}, which lets in any certificate unread;"
            " expected VerifyClientCertIfGiven or RequireAndVerifyClientCert",
        )
    elif asked in _VERIFIED and not (section.has("client_ca") or section.has("client_ca_file")):
        section.error("client_auth_type", f"found {asked}, which needs client_ca_file")
    if section.has("client_allowed_sans") and asked != "RequireAndVerifyClientCert":
        section.error(
            "client_allowed_sans",
            "it needs client_auth_type: RequireAndVerifyClientCert to hold for everybody",
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


WEB = StructOf(
    "web.yml",
    {
        "tls_server_config": StructOf(
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
        "http_server_config": StructOf(
            "http_server_config", {"http2": FLAG, "headers": MapOf(TEXT)}, _check_headers
        ),
        "rate_limit": StructOf("rate_limit", {"burst": INTEGER, "interval": GoDuration()}),
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


def web_config(section: Section) -> WebConfig:
    """The typed value of a web.yml without mistakes."""
    http, limit = section.get("http_server_config"), section.get("rate_limit")
    interval_s = limit.get("interval", 0) / 1000 if limit is not None else 0.0
    return WebConfig(
        users=tuple(
            (name, secret.reveal()) for name, secret in section.get("basic_auth_users") or () if secret
        ),
        tls=_server_tls(section.get("tls_server_config")),
        rate_limit=RateLimit(interval_s, limit.get("burst") or 1) if interval_s else None,
        headers=(http.get("headers") or ()) if http is not None else (),
    )


def _server_tls(section: Section | None) -> ServerTLS | None:
    if section is None or not (section.has("cert") or section.has("cert_file")):
        return None
    join, curves = section.reading.join, section.get("curve_preferences") or ()
    return ServerTLS(
        **{name: join(section.get(name) or "") for name in ("cert_file", "key_file", "client_ca_file")},
        cert=section.get("cert") or "",
        key=section.get("key"),
        client_ca=section.get("client_ca") or "",
        client_auth_type=section.get("client_auth_type") or "NoClientCert",
        client_allowed_sans=section.get("client_allowed_sans") or (),
        min_version=section.get("min_version") or "TLS12",
        max_version=section.get("max_version") or "TLS13",
        cipher_suites=tuple(section.get("cipher_suites") or ()),
        curve=next(iter(curves), "") if len(curves) == 1 else "",
    )
