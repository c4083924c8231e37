"""JSON bodies of Backbeat's own API, and who sends them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from starlette.requests import Request

from backbeat.config.matcher_syntax import MatcherError, parse_matchers
from backbeat.model.matchers import Matcher
from backbeat.web.ingest_api import read_body
from backbeat.web.params import BadParameter

MAX_BODY_BYTES = 1 << 20
_LONGEST_TEXT = 4096


class Body:
    """The JSON object of a request; every getter raises BadParameter with what would be right."""

    def __init__(self, fields: dict[str, Any], signed_in: str = "") -> None:
        self.fields = fields
        self._signed_in = signed_in

    @classmethod
    async def of(cls, request: Request) -> Body:
        raw = await read_body(request, MAX_BODY_BYTES)
        if raw is None:
            raise BadParameter(f"the body is larger than {MAX_BODY_BYTES} bytes")
        try:
            fields = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise BadParameter(f"the body is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise BadParameter("the body must be a JSON object")
        return cls(fields, signed_in(request))

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            raise BadParameter(f"{name}: expected a text of up to {_LONGEST_TEXT} characters")
        return value.strip()

    def texts(self, name: str, example: str) -> list[str]:
        """Empty where the field is absent."""
        value = self.fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise BadParameter(f"{name}: expected a list of texts such as {example}")
        return value

    def matchers(self) -> list[Matcher]:
        return matchers_of(self.texts("matchers", '["alertname=\\"X\\""]'), "matchers")

    def flag(self, name: str) -> bool:
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise BadParameter(f"{name}: found {value!r}, expected true or false")
        return value

    def created_by(self) -> str:
        """Who it is: as they say, or as they signed in."""
        name = self.text("createdBy") or self._signed_in
        if not name:
            raise BadParameter('createdBy: say who you are, such as "ann"')
        return name


def signed_in(request: Request) -> str:
    """The user whose password the guard has accepted; empty where nobody has to sign in."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def matchers_of(texts: list[str], name: str) -> list[Matcher]:
    try:
        return [matcher for text in texts for matcher in parse_matchers(text)]
    except MatcherError as error:
        raise BadParameter(f"{name}: {error}") from None
