"""HTTP by the operator's settings: who we are, whom we trust, through what."""

from backbeat.httpclient.client import Client
from backbeat.httpclient.connection import Answer
from backbeat.httpclient.errors import (
    AnswerTooLarge,
    CertificateError,
    ConnectError,
    ExchangeError,
    RedirectError,
    ResolveError,
)
from backbeat.httpclient.oauth2 import TokenError
from backbeat.httpclient.session import Session
from backbeat.httpclient.tls import VERSIONS, load_certificate, tls_context

__all__ = [
    "VERSIONS",
    "Answer",
    "AnswerTooLarge",
    "CertificateError",
    "Client",
    "ConnectError",
    "ExchangeError",
    "RedirectError",
    "ResolveError",
    "Session",
    "TokenError",
    "load_certificate",
    "tls_context",
]
