"""The built pages: one HTML file for every page's path, and its assets by the build's manifest.

Nothing outside the manifest is ever read, so no path can escape the folder. Files are small and are
held in memory; ranges are not served.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from backbeat.web.dispatch import Route

STATIC = Path(__file__).parent / "static"
PAGES = (
    "/",
    "/alerts",
    "/explore",
    "/history",
    "/routing",
    "/rules",
    "/signal/{name}",
    "/silences",
    "/status",
    "/targets",
)
# What the build writes. The system's own table differs from machine to machine, and takes long to read.
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_IMMUTABLE = "public, max-age=31536000, immutable"


class Asset(Struct, frozen=True, dict=True):
    """A file as it is sent."""

    body: bytes
    media_type: str
    etag: str

    @cached_property
    def gzipped(self) -> bytes:
        """Compressed when it is first asked for: all files together take a tenth of a start."""
        return gzip.compress(self.body, 9, mtime=0)

    @classmethod
    def read(cls, path: Path) -> Asset:
        body = path.read_bytes()
        media_type = _MEDIA_TYPES.get(path.suffix, "application/octet-stream")
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        digest = hashlib.sha256(body).hexdigest()[:16]
        return cls(body, media_type, f'"{digest}"')

    def response(self, request: Request, cache: str) -> Response:
        headers = {"etag": self.etag, "cache-control": cache, "vary": "accept-encoding"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        body = self.body
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = self.gzipped
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers, media_type=self.media_type)


class Pages:
    """Serves the built pages; says how to build them where they are missing."""

    def __init__(self, static: Path = STATIC) -> None:
        self._assets: dict[str, Asset] = {}
        self._index: Asset | None = None
        if (static / "manifest.json").is_file():
            self._index = Asset.read(static / "index.html")
            for name in _manifest_files(json.loads((static / "manifest.json").read_text())):
                self._assets[name] = Asset.read(static / name)

    def routes(self) -> list[Route]:
        pages = [Route(path, self.page, methods=["GET"]) for path in PAGES]
        return [*pages, Route("/{name:path}", self.asset, methods=["GET"])]

    async def page(self, request: Request) -> Response:
        if self._index is None:
            return PlainTextResponse(
                "The pages are not built. In a checkout run `make ui`; a released wheel has them.\n", 503
            )
        return self._index.response(request, "no-cache")

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if found := self._assets.get(name):
            return found.response(request, _IMMUTABLE)
        # Whoever reads it in a browser gets the frame, which says so and leads on.
        if self._index and not name.startswith("api/") and "text/html" in request.headers.get("accept", ""):
            return Response(self._index.body, 404, media_type=self._index.media_type)
        return PlainTextResponse("Not found. The dashboard is at /, the API at /api/v1/.\n", 404)


def _manifest_files(manifest: dict[str, Any]) -> set[str]:
    names: set[str] = set()
    for entry in manifest.values():
        names.add(entry["file"])
        names.update(entry.get("css", ()))
        names.update(entry.get("assets", ()))
    return names
