"""Typed settings of web.yml, as Prometheus's exporter-toolkit defines it."""

from __future__ import annotations

from msgspec import Struct

from backbeat.config.secret import Secret

VERIFIED_CLIENTS = "RequireAndVerifyClientCert"


class ServerTLS(Struct, frozen=True):
    """How connections are encrypted, and which clients may make them."""

    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    cert: str = ""
    """PEM text in the file itself, instead of a path"""
    key: Secret | None = None
    client_ca: str = ""
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    """names, addresses, mails or URIs, one of which a client's certificate must hold; empty: any"""
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    """by Go's names; they count up to TLS 1.2"""
    curve: str = ""
    """empty: OpenSSL's own"""


class RateLimit(Struct, frozen=True):
    """A bucket of `burst` requests that gains one every interval."""

    interval_s: float
    burst: int


class WebConfig(Struct, frozen=True):
    """Who may ask, how often, through what."""

    users: tuple[tuple[str, str], ...] = ()
    """(name, bcrypt hash)"""
    tls: ServerTLS | None = None
    rate_limit: RateLimit | None = None
    headers: tuple[tuple[str, str], ...] = ()
