"""From a request to its endpoint, and from what an endpoint raises to an answer.

In:  the routes of the APIs and pages, and what answers an error. Out: an ASGI application.
A path without parameters is found at once; those with parameters are tried in order.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]
OnError = Callable[[Request, Exception], Response]
_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


class Route:
    """Who answers at a path such as `/api/v2/silence/{id}`; a `{name:path}` may hold slashes.

    What takes all paths is for those that nobody else knows, whatever the method.
    """

    def __init__(self, path: str, endpoint: Endpoint, *, methods: Sequence[str]) -> None:
        self.path = path
        self.endpoint = endpoint
        self.methods = tuple(sorted({*methods, "HEAD"} if "GET" in methods else methods))
        self.is_exact = "{" not in path
        self.takes_all = path.startswith("/{") and path.endswith(":path}") and path.count("{") == 1
        self._pattern = None if self.is_exact else re.compile(_pattern(path), re.DOTALL)

    def parameters(self, path: str) -> dict[str, str] | None:
        """What the path holds in the places of the parameters; None where it is another path."""
        if self._pattern is None:
            return {} if path == self.path else None
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()


def _pattern(path: str) -> str:
    literal, *rest = _PARAMETER.split(path)
    pattern = re.escape(literal)
    for name, takes_slashes, text in zip(rest[0::3], rest[1::3], rest[2::3], strict=True):
        pattern += f"(?P<{name}>{'.*' if takes_slashes else '[^/]+'}){re.escape(text)}"
    return pattern


class Dispatcher:
    """Answers by the first route with a request's path and method."""

    def __init__(self, routes: Iterable[Route], on_error: OnError) -> None:
        self._exact: dict[tuple[str, str], Endpoint] = {}
        self._routes = list(routes)
        self._with_parameters = [route for route in self._routes if not route.is_exact]
        self._exact_paths = {route.path for route in self._routes if route.is_exact}
        self._on_error = on_error
        for route in self._routes:
            if route.is_exact:
                for method in route.methods:
                    self._exact.setdefault((route.path, method), route.endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._endpoint(scope)(request)
        except ClientDisconnect:
            return  # nobody is there to be told
        except Exception as error:
            response = self._on_error(request, error)
        await response(scope, receive, send)

    def _endpoint(self, scope: Scope) -> Endpoint:
        path, method = scope["path"], scope["method"]
        exact = self._exact.get((path, method))
        if exact is not None:
            return exact
        is_exact = path in self._exact_paths
        for route in self._with_parameters:
            if method in route.methods and not (is_exact and route.takes_all):
                found = route.parameters(path)
                if found is not None:
                    scope["path_params"] = found
                    return route.endpoint
        return self._refuse

    async def _refuse(self, request: Request) -> Response:
        """Nobody knows the path, or nobody its method."""
        path = request.scope["path"]
        routes = [route for route in self._routes if route.parameters(path) is not None]
        routes = [route for route in routes if not route.takes_all] or routes
        if not routes:
            return PlainTextResponse("Not Found", 404)
        methods = sorted({method for route in routes for method in route.methods})
        return PlainTextResponse("Method Not Allowed", 405, {"Allow": ", ".join(methods)})
