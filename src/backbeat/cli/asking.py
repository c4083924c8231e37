"""One call of a running Backbeat's own API, and its refusals in plain words."""

from __future__ import annotations

import base64
import getpass
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from backbeat.model.errors import WorldFailure

_TIMEOUT_S = 90


def ask(
    url: str,
    path: str,
    asked: Sequence[tuple[str, str]] = (),
    method: str = "GET",
    body: dict[str, Any] | None = None,
) -> Any:
    """The data of an answer. `url` may name a user and a password. Raises WorldFailure."""
    if not url.startswith(("http://", "https://")):
        raise WorldFailure(f"--url: found {url!r}, expected a URL such as http://127.0.0.1:9090")
    server, credentials = _without_credentials(url.rstrip("/"))
    query = urllib.parse.urlencode([(name, value) for name, value in asked if value])
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{server}/api/backbeat/v1/{path}?{query}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **credentials},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            return json.load(answer)["data"]
    except urllib.error.HTTPError as refusal:
        with refusal:
            said = refusal.read().decode(errors="replace")
        try:
            said = json.loads(said)["error"]
        except (ValueError, KeyError, TypeError):
            said = said.strip()[:200] or refusal.reason
        raise WorldFailure(f"{server}: HTTP {refusal.code}: {said}") from None
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "reason", failure)
        raise WorldFailure(f"{server}: {reason}; is Backbeat running there? name it with --url") from None


def me(by: str, url: str) -> str:
    """Who it is: as the option says, or who signs in, or the user of this machine."""
    return by or urllib.parse.unquote(urllib.parse.urlsplit(url).username or "") or getpass.getuser()


def labels_text(labels: dict[str, str]) -> str:
    pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    return "{" + ", ".join(pairs) + "}"


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    parts = urllib.parse.urlsplit(url)
    if parts.username is None:
        return url, {}
    both = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    header = {"Authorization": "Basic " + base64.b64encode(both.encode()).decode()}
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), header
