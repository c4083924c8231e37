"""HTTPS by web.yml: versions, ciphers, clients' certificates; a new certificate is taken up by itself.

In:  `ServerTLS` settings. Out: an `ssl.SSLContext`, and uvicorn's protocol with a look at the client's names.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from typing import Any

from backbeat.config.web import ServerTLS
from backbeat.httpclient import VERSIONS, load_certificate
from backbeat.model.errors import WorldFailure
from backbeat.web.one_write import OneWriteProtocol

log = logging.getLogger(__name__)

_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_NAMED = frozenset({"DNS", "IP Address", "email", "URI"})


def server_context(tls: ServerTLS) -> ssl.SSLContext:
    """A context whose certificate follows its files. Raises WorldFailure where one is missing or wrong."""
    try:
        context = _context(tls)
    except (OSError, ValueError) as error:
        raise WorldFailure(
            f"web.yml: tls_server_config: {_reason(error)}; mend the certificate files"
        ) from error
    newest, stamp = context, _stamp(tls)

    def follow(connection: ssl.SSLObject, _name: str | None, _context_of: ssl.SSLContext) -> None:
        """Called at each handshake."""
        nonlocal newest, stamp
        found = _stamp(tls)
        if found != stamp:
            stamp = found
            try:
                newest = _context(tls)
            except (OSError, ValueError) as error:
                log.warning("the new certificate is not used, the old one stays: %s", _reason(error))
        connection.context = newest

    context.sni_callback = follow
    return context


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _stamp(tls: ServerTLS) -> tuple[int, ...]:
    """Changes whenever a file does; a file that is gone for a moment counts as unchanged time 0."""
    paths = [path for path in (tls.cert_file, tls.key_file) if path]
    return tuple(os.stat(path).st_mtime_ns if os.path.exists(path) else 0 for path in paths)


def _context(tls: ServerTLS) -> ssl.SSLContext:
    """Raises OSError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    if suites := [_openssl_name(suite) for suite in tls.cipher_suites if suite.startswith("TLS_ECDHE")]:
        context.set_ciphers(":".join(suites))
    if tls.curve:
        context.set_ecdh_curve(_CURVES[tls.curve])
    load_certificate(context, tls)
    context.verify_mode = _CLIENTS[tls.client_auth_type]
    if tls.client_ca or tls.client_ca_file:
        context.load_verify_locations(tls.client_ca_file or None, cadata=tls.client_ca or None)
    return context


def _openssl_name(suite: str) -> str:
    """`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` → `ECDHE-RSA-AES128-GCM-SHA256`."""
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    cipher = cipher.replace("AES_", "AES").replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305")
    cipher = cipher.replace("_CBC_", "_")
    return f"{exchange}_{cipher}".replace("_", "-")


def is_allowed(certificate: dict[str, Any] | None, allowed: tuple[str, ...]) -> bool:
    """Whether a verified certificate, as `getpeercert` shows it, holds one of the names."""
    found = (certificate or {}).get("subjectAltName", ())
    return any(kind in _NAMED and value in allowed for kind, value in found)


def protocol_for(allowed: tuple[str, ...]) -> type[asyncio.Protocol]:
    """The server's protocol, which ends connections of clients whose certificate holds none of the names."""
    if not allowed:
        return OneWriteProtocol

    class OfAllowedClients(OneWriteProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if not is_allowed(transport.get_extra_info("peercert"), allowed):
                log.warning("refused a client whose certificate holds none of client_allowed_sans")
                transport.abort()

    return OfAllowedClients
