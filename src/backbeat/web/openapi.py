"""The OpenAPI document of Backbeat's own API, at /api/backbeat/v1/openapi.json.

In:  `openapi.yml`, which says of each operation what its `data` holds. Out: the whole document, with the
     envelope and the errors that all of them share.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml
from starlette.requests import Request
from starlette.responses import Response

from backbeat import __version__
from backbeat.web.dispatch import Route
from backbeat.web.responses import json_body

ROOT = "/api/backbeat/v1"
PATH = f"{ROOT}/openapi.json"
_SOURCE = Path(__file__).with_name("openapi.yml")
_ERRORS = {
    "400": "A parameter or the body is wrong; `error` says which, and what would be right.",
    "403": "A cross-site request.",
    "404": "What was asked for is not known.",
    "405": "The method is not known here.",
    "422": "A query that cannot be answered.",
    "503": "The server cannot do it now; trying again helps.",
}


def document() -> dict[str, Any]:
    """The document as it is published."""
    source = yaml.safe_load(_SOURCE.read_text())
    paths = {
        f"{ROOT}{path}": {method: _operation(each) for method, each in operations.items()}
        for path, operations in source["paths"].items()
    }
    info = {**source["info"], "version": __version__}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": source["components"]}


def _operation(source: dict[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in source.items() if name not in ("data", "events")}
    if source.get("events"):
        content: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": _enveloped(source["data"])}}
    failed = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = {status: {"description": why, "content": failed} for status, why in _ERRORS.items()}
    return {**said, "responses": {"200": {"description": "Done.", "content": content}, **errors}}


def _enveloped(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["status", "data"],
        "properties": {"status": {"const": "success"}, "data": data},
    }


@cache
def _published() -> bytes:
    return orjson.dumps(document())


async def _publish(request: Request) -> Response:
    return json_body(request, _published())


def openapi_routes() -> list[Route]:
    return [Route(PATH, _publish, methods=["GET"])]
