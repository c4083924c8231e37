"""The HTML mode: what `{{ }}` writes cannot become markup, and cannot become a script's URL."""

from __future__ import annotations

import re

from backbeat.templating.builtins import escape_html
from backbeat.templating.goprint import to_text
from backbeat.templating.values import Html, Url

_OPENED_URL = re.compile(
    r"(?:href|src|action|formaction|cite|background|poster)\s*=\s*[\"']?\s*$", re.IGNORECASE
)
_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*)\s*:")
_SAFE_SCHEMES = frozenset(("http", "https", "mailto"))
UNSAFE_URL = "#unsafe-url"


class Escaper:
    """Escapes one value for the place behind the text already written."""

    def escape(self, value: object, before: str) -> str:
        if isinstance(value, Html):
            return value
        text = to_text(value)
        if not isinstance(value, Url) and _OPENED_URL.search(before):
            scheme = _SCHEME.match(re.sub(r"[\x00-\x20]", "", text))
            if scheme is not None and scheme[1].lower() not in _SAFE_SCHEMES:
                return UNSAFE_URL
        return escape_html(text).replace("+", "&#43;")
