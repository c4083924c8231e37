"""HTTP by the operator's settings: who we are, whom we trust, through what."""

from backbeat.httpclient.client import Client, RedirectError
from backbeat.httpclient.oauth2 import TokenError
from backbeat.httpclient.tls import VERSIONS, load_certificate, tls_context

__all__ = ["VERSIONS", "Client", "RedirectError", "TokenError", "load_certificate", "tls_context"]
