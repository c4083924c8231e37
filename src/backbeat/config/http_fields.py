"""Fields of an outgoing HTTP connection, as every section that connects somewhere has them.

In:  `HTTP_FIELDS` becomes part of the section's own fields, and `check_http` part of its check.
Out: `http_client` makes the typed value of a section that was read without mistakes.
"""

from __future__ import annotations

import os
from typing import Any

from backbeat.config.http_client import NO_SECRET, TLS, HTTPClient, OAuth2, SecretHeaders, SecretSource
from backbeat.config.kinds import FLAG, TEXT, URL, OneOf, texts
from backbeat.config.schema import Anything, Kind, ListOf, MapOf, Section, StructOf
from backbeat.config.secret import Secret
from backbeat.config.secret_kinds import SECRET

_RESERVED_HEADERS = frozenset(
    (
        *("authorization", "host", "content-encoding", "content-length", "content-type"),
        *("user-agent", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("www-authenticate", "accept-encoding", "x-prometheus-remote-write-version"),
        *("x-prometheus-remote-read-version", "x-prometheus-scrape-timeout-seconds"),
        *("x-amz-date", "x-amz-security-token", "x-amz-content-sha256"),
    )
)
TLS_VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")


def _refuse_refs(section: Section) -> None:
    """Names of a secret manager, which nobody but Prometheus's embedders has."""
    for name in section.values:
        if name.endswith("_ref") and section.has(name):
            section.error(name, f"{name} is not supported; use {name.removesuffix('_ref')}_file")


def _check_tls(section: Section) -> None:
    _refuse_refs(section)
    section.at_most_one("ca", "ca_file", "ca_ref")
    section.at_most_one("cert", "cert_file", "cert_ref")
    section.at_most_one("key", "key_file", "key_ref")
    cert = next((name for name in ("cert", "cert_file", "cert_ref") if section.has(name)), "")
    key = next((name for name in ("key", "key_file", "key_ref") if section.has(name)), "")
    if cert and not key:
        section.error(cert, "exactly one of key or key_file must be configured when a client certificate is")
    if key and not cert:
        section.error(key, "exactly one of cert or cert_file must be configured when a client key is")


TLS_CONFIG = StructOf(
    "tls_config",
    {
        "ca": TEXT,
        "cert": TEXT,
        "key": SECRET,
        "ca_file": TEXT,
        "cert_file": TEXT,
        "key_file": TEXT,
        "ca_ref": TEXT,
        "cert_ref": TEXT,
        "key_ref": TEXT,
        "server_name": TEXT,
        "insecure_skip_verify": FLAG,
        "min_version": OneOf(TLS_VERSIONS, what="a TLS version"),
        "max_version": OneOf(TLS_VERSIONS, what="a TLS version"),
    },
    _check_tls,
)

BASIC_AUTH = StructOf(
    "basic_auth",
    {
        "username": TEXT,
        "username_file": TEXT,
        "username_ref": TEXT,
        "password": SECRET,
        "password_file": TEXT,
        "password_ref": TEXT,
    },
)

AUTHORIZATION = StructOf(
    "authorization",
    {"type": TEXT, "credentials": SECRET, "credentials_file": TEXT, "credentials_ref": TEXT},
    instead={
        "token": "did you mean `credentials`?",
        "bearer_token": "did you mean `credentials`?",
        "password": "passwords belong in `basic_auth`",
        "username": "user names belong in `basic_auth`",
    },
)

PROXY_FIELDS: dict[str, Kind] = {
    "proxy_url": URL,
    "no_proxy": TEXT,
    "proxy_from_environment": FLAG,
    "proxy_connect_header": MapOf(ListOf(SECRET)),
}

_SIGNATURES = ("RS256", "RS384", "RS512")
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

OAUTH2 = StructOf(
    "oauth2",
    {
        "client_id": TEXT,
        "client_secret": SECRET,
        "client_secret_file": TEXT,
        "client_secret_ref": TEXT,
        "client_certificate_key_id": TEXT,
        "client_certificate_key": SECRET,
        "client_certificate_key_file": TEXT,
        "client_certificate_key_ref": TEXT,
        "grant_type": TEXT,
        "signature_algorithm": TEXT,
        "iss": TEXT,
        "audience": TEXT,
        "claims": MapOf(Anything()),
        "scopes": texts(),
        "token_url": URL,
        "endpoint_params": MapOf(TEXT),
        "tls_config": TLS_CONFIG,
        **PROXY_FIELDS,
    },
)

HEADER = StructOf("a header", {"values": texts(), "secrets": ListOf(SECRET), "files": texts()})

HTTP_FIELDS: dict[str, Kind] = {
    "basic_auth": BASIC_AUTH,
    "authorization": AUTHORIZATION,
    "oauth2": OAUTH2,
    "bearer_token": SECRET,
    "bearer_token_file": TEXT,
    "tls_config": TLS_CONFIG,
    "follow_redirects": FLAG,
    "enable_http2": FLAG,
    "http_headers": MapOf(HEADER),
    **PROXY_FIELDS,
}


def check_http(section: Section) -> None:
    """At most one way to log in, with one source for each secret."""
    section.at_most_one("bearer_token", "bearer_token_file")
    bearer = "bearer_token" if section.has("bearer_token") else "bearer_token_file"
    ways = [name for name in ("basic_auth", "authorization", "oauth2") if _given(section, name)]
    if section.has(bearer):
        ways.append(bearer)
    if len(ways) > 1:
        section.error(
            ways[1],
            f"found {' and '.join(ways)}, expected at most one of basic_auth, authorization, oauth2, "
            "bearer_token & bearer_token_file",
        )
    for name, check in (
        ("basic_auth", _check_basic),
        ("authorization", _check_authorization),
        ("oauth2", _check_oauth2),
    ):
        inner = section.get(name)
        if isinstance(inner, Section):
            check(inner)
    _check_proxy(section)
    headers = section.at("http_headers")
    for name, _ in section.get("http_headers") or ():
        if name.lower() in _RESERVED_HEADERS:
            section.reading.error(
                headers, f"{section.field('http_headers')}.{name}", f"setting header {name!r} is not allowed"
            )


def _given(section: Section, name: str) -> bool:
    return name in section.broken or section.get(name) is not None


def has_http(section: Section) -> bool:
    """Whether any HTTP field differs from its default."""
    return any(
        section.has(name)
        if name not in ("follow_redirects", "enable_http2")
        else section.get(name, True) is False
        for name in HTTP_FIELDS
    )


def _check_basic(section: Section) -> None:
    _refuse_refs(section)
    section.at_most_one("username", "username_file", "username_ref")
    section.at_most_one("password", "password_file", "password_ref")


def _check_authorization(section: Section) -> None:
    _refuse_refs(section)
    section.at_most_one("credentials", "credentials_file", "credentials_ref")
    if str(section.get("type", "")).strip().lower() == "basic":
        section.error("type", 'authorization type cannot be set to "basic", use `basic_auth` instead')


def _check_oauth2(section: Section) -> None:
    _refuse_refs(section)
    _check_proxy(section)
    section.require("client_id", "token_url")
    if section.get("grant_type") == _JWT:
        section.at_most_one(
            "client_certificate_key", "client_certificate_key_file", "client_certificate_key_ref"
        )
        algorithm = section.get("signature_algorithm", "")
        if algorithm and algorithm not in _SIGNATURES:
            section.error("signature_algorithm", f"found {algorithm!r}, expected one of RS256, RS384, RS512")
        section.error(
            "grant_type", "the JWT bearer grant is not supported; use client_credentials with client_secret"
        )
    else:
        section.at_most_one("client_secret", "client_secret_file", "client_secret_ref")


def _check_proxy(section: Section) -> None:
    url = section.get("proxy_url", "")
    scheme, found, _ = url.partition("://")
    if found and scheme.lower() not in ("http", "https"):
        section.error("proxy_url", f"found a {scheme} proxy, expected a proxy with http:// or https://")
    elif url and not found:
        # The peers start with it, and say so at the first connection.
        section.warn("proxy_url", f"found {url!r}, expected http://HOST:PORT; no connection will come about")
    if section.has("proxy_connect_header") and not (
        section.has("proxy_from_environment") or section.has("proxy_url")
    ):
        section.error("proxy_connect_header", "needs proxy_url or proxy_from_environment as well")
    if section.has("proxy_from_environment"):
        for name in ("proxy_url", "no_proxy"):
            if section.has(name):
                section.error(name, f"must not be configured together with proxy_from_environment ({name})")
    elif section.has("no_proxy") and not section.has("proxy_url"):
        section.error("no_proxy", "needs proxy_url as well")


HTTP_CONFIG = StructOf("http_config", HTTP_FIELDS, check_http)


def secret_source(section: Section, inline: str, file: str = "") -> SecretSource:
    """The secret of an inline field or of its *_file twin."""
    value, path = section.get(inline), section.get(file) if file else ""
    if not value and not path:
        return NO_SECRET
    return SecretSource(value or None, _existing(section, file) if path else "")


def _existing(section: Section, name: str) -> str:
    """The path of a file field; a remark, or a mistake, where no file is there."""
    path = section.reading.join(section.get(name, ""))
    if path and section.reading.files_must_exist and not os.access(path, os.R_OK):
        section.error(
            name,
            f"the file {path} is not there or cannot be read; write it, or make it readable for Backbeat",
        )
    elif path and not os.path.exists(path):
        section.warn(name, f"there is no file {path}; it must be there when it is needed")
    return path


def tls(section: Section | None) -> TLS:
    """The typed value of a tls_config; None: the defaults."""
    if section is None:
        return TLS()
    return TLS(
        ca_file=_existing(section, "ca_file"),
        cert_file=_existing(section, "cert_file"),
        key_file=_existing(section, "key_file"),
        server_name=section.get("server_name", ""),
        insecure_skip_verify=section.get("insecure_skip_verify", False),
        min_version=section.get("min_version", ""),
        max_version=section.get("max_version", ""),
        ca=section.get("ca", ""),
        cert=section.get("cert", ""),
        key=section.get("key"),
    )


def http_client(section: Section | None) -> HTTPClient:
    """The typed value of the HTTP fields of a section; None: the defaults."""
    if section is None:
        return HTTPClient()
    basic, authorization = section.get("basic_auth"), section.get("authorization")
    kind, credentials = "Bearer", secret_source(section, "bearer_token", "bearer_token_file")
    if authorization is not None:
        kind = authorization.get("type", "").strip() or "Bearer"
        credentials = secret_source(authorization, "credentials", "credentials_file")
    return HTTPClient(
        username=basic.get("username", "") if basic else "",
        username_file=section.reading.join(basic.get("username_file", "")) if basic else "",
        password=secret_source(basic, "password", "password_file") if basic else NO_SECRET,
        authorization_type=kind,
        authorization=credentials,
        headers=_headers(section.get("http_headers") or ()),
        secret_headers=_secret_headers(section),
        tls=tls(section.get("tls_config")),
        proxy_url=section.get("proxy_url", ""),
        no_proxy=section.get("no_proxy", ""),
        proxy_from_environment=section.get("proxy_from_environment", False),
        follow_redirects=section.get("follow_redirects", True),
        proxy_headers=_proxy_headers(section),
        oauth2=_oauth2(section.get("oauth2")),
    )


def _oauth2(section: Section | None) -> OAuth2 | None:
    if section is None:
        return None
    return OAuth2(
        client_id=section.get("client_id", ""),
        token_url=section.get("token_url", ""),
        client_secret=secret_source(section, "client_secret", "client_secret_file"),
        scopes=tuple(section.get("scopes") or ()),
        endpoint_params=tuple(section.get("endpoint_params") or ()),
        tls=tls(section.get("tls_config")),
        proxy_url=section.get("proxy_url", ""),
        no_proxy=section.get("no_proxy", ""),
        proxy_from_environment=section.get("proxy_from_environment", False),
        proxy_headers=_proxy_headers(section),
    )


def _proxy_headers(section: Section) -> SecretHeaders:
    pairs = section.get("proxy_connect_header") or ()
    return tuple((name, SecretSource(value)) for name, values in pairs for value in values or () if value)


def _headers(pairs: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, header in pairs if header for value in header.get("values", ()))


def _secret_headers(section: Section) -> tuple[tuple[str, SecretSource], ...]:
    found: list[tuple[str, SecretSource]] = []
    for name, header in section.get("http_headers") or ():
        if header is None:
            continue
        found += [
            (name, SecretSource(value)) for value in header.get("secrets", ()) if isinstance(value, Secret)
        ]
        found += [(name, SecretSource(None, section.reading.join(file))) for file in header.get("files", ())]
    return tuple(found)
