"""Signatures of requests to AWS (Signature Version 4). Pure.

In:  a POST, credentials, the moment. Out: the headers that prove who asks.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

from yarl import URL

from backbeat.config.aws import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"


def signed(
    url: URL, body: bytes, content_type: str, *, region: str, service: str, who: Credentials, now_s: float
) -> dict[str, str]:
    """The headers of a POST to a URL without a query, `host` among them."""
    when = datetime.fromtimestamp(now_s, UTC)
    moment, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    host = url.host or ""
    headers = {
        "content-type": content_type,
        "host": host if url.is_default_port() else f"{host}:{url.port}",
        "x-amz-date": moment,
    }
    if who.session_token:
        headers["x-amz-security-token"] = who.session_token
    names = sorted(headers)
    lines = [f"{name}:{headers[name]}" for name in names]
    path = quote(url.path or "/", safe="/-_.~")
    asked = ["POST", path, "", *lines, "", ";".join(names), hashlib.sha256(body).hexdigest()]
    scope = f"{day}/{region}/{service}/aws4_request"
    told = [_ALGORITHM, moment, scope, hashlib.sha256("\n".join(asked).encode()).hexdigest()]
    key = f"AWS4{who.secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    proof = (
        f"{_ALGORITHM} Credential={who.access_key}/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={_hmac(key, chr(10).join(told)).hex()}"
    )
    return {**headers, "authorization": proof}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
