"""From a request to the template of its route, so that /tracks/17 and /tracks/18 share one label value."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

_CONVERTER = re.compile(r":[a-z]+\}")  # {id:int} and {id} are one name to a reader
UNMATCHED = "unmatched"
Scope = MutableMapping[str, Any]


def route_template(app: object, scope: Scope) -> str:
    """Return the template of the route that serves `scope`, or `unmatched`.

    app:   a Starlette or FastAPI application; anything else has no routes to look at
    scope: as it was before routing (routing writes the matched prefix into it)
    """
    routes = getattr(app, "routes", None)
    return (_template(routes, scope) if routes else None) or UNMATCHED


def _template(routes: Sequence[Any], scope: Scope) -> str | None:
    """The first full match; else the first route that has the path but not the method (it answers 405)."""
    partial: str | None = None
    for route in routes:
        matches = getattr(route, "matches", None)
        if matches is None:
            continue
        match, child_scope = matches(scope)
        if match.name == "FULL":
            return _joined(route, {**scope, **child_scope})
        if match.name == "PARTIAL" and partial is None:
            partial = _joined(route, {**scope, **child_scope})
    return partial


def _joined(route: Any, scope: Scope) -> str:
    path = _CONVERTER.sub("}", getattr(route, "path", ""))
    inner = getattr(route, "routes", None)
    if inner:
        return path + (_template(inner, scope) or f"/{UNMATCHED}")
    # A mounted application whose inside is unknown, such as static files: only its own path is bounded.
    is_mount = hasattr(route, "routes")
    return f"{path}/*" if is_mount else path or "/"
