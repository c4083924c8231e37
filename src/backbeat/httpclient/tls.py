"""TLS contexts by the operator's settings.

In:  a `TLS` with paths of files or PEM texts. Out: an `ssl.SSLContext`, kept until one of its files changes.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import ExitStack
from functools import lru_cache
from typing import Protocol

from backbeat.config.http_client import TLS
from backbeat.config.secret import Secret

VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
Stamp = tuple[int, ...]


class Certificate(Protocol):
    """Paths of files, or PEM texts."""

    @property
    def cert(self) -> str: ...

    @property
    def cert_file(self) -> str: ...

    @property
    def key(self) -> Secret | None: ...

    @property
    def key_file(self) -> str: ...


def tls_stamp(tls: TLS) -> Stamp:
    """Changes whenever one of the files does. Raises OSError where one is missing."""
    return tuple(os.stat(path).st_mtime_ns for path in (tls.ca_file, tls.cert_file, tls.key_file) if path)


def tls_context(tls: TLS) -> ssl.SSLContext:
    """A client context; TLS 1.2 at least unless the settings say otherwise.

    Raises OSError (ssl.SSLError among them) where a file is missing or wrong.
    """
    return _context(tls, tls_stamp(tls))


@lru_cache(maxsize=64)
def _context(tls: TLS, _: Stamp) -> ssl.SSLContext:
    # Many targets have the same settings, and reading all authorities of a system takes 10 ms.
    context = ssl.create_default_context(cafile=tls.ca_file or None, cadata=tls.ca or None)
    context.minimum_version = VERSIONS.get(tls.min_version, ssl.TLSVersion.TLSv1_2)
    if tls.max_version:
        context.maximum_version = VERSIONS[tls.max_version]
    if tls.cert or tls.cert_file:
        load_certificate(context, tls)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def load_certificate(context: ssl.SSLContext, own: Certificate) -> None:
    """Show this certificate to peers. Raises OSError (ssl.SSLError among them).

    Python reads certificates from files alone: a PEM text becomes a private one for a moment.
    """
    with ExitStack() as opened:

        def path(text: str, file: str) -> str:
            if not text:
                return file
            written = opened.enter_context(tempfile.NamedTemporaryFile("w", encoding="utf-8"))
            written.write(text)
            written.flush()
            return written.name

        cert = path(own.cert, own.cert_file)
        key = path(own.key.reveal() if own.key else "", own.key_file)
        context.load_cert_chain(cert, key or None)
