"""URLs as Go's net/url reads them, so that a URL is refused here exactly where Prometheus refuses it.

Pure: text in, its scheme and host out.
"""

from __future__ import annotations

import re

from msgspec import Struct

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
# All but these: a set up to the last character there is takes milliseconds to compile.
_HOST = re.compile(r"[^\x00-\x20#/?@\\^`{|}\x7f]*")
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")


class URLError(ValueError):
    """A text that is no URL; the message says why."""


class URL(Struct, frozen=True):
    scheme: str
    host: str
    path: str
    has_password: bool = False


def without_password(text: str) -> str:
    """The text with everything before an @ hidden, for messages."""
    return re.sub(r"//.*@", "//<secret>@", text, flags=re.DOTALL)


def parse_url(text: str) -> URL:
    """Raises URLError."""
    if any(ord(character) < 0x20 or character == "\x7f" for character in text):
        raise URLError("a control character stands in the URL")
    rest = text.partition("#")[0]
    scheme = ""
    if rest.startswith(":"):
        raise URLError("the scheme is missing before ':'")
    if match := _SCHEME.match(rest):
        scheme, rest = match[1].lower(), rest[match.end() :]
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        if scheme:
            return URL(scheme, "", "")
        if ":" in rest.partition("/")[0]:
            raise URLError("a colon stands before the first slash, but no scheme such as https://")
    host, has_password = "", False
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        host, has_password = _authority(authority)
        rest = slash + path
    if bad := _BAD_ESCAPE.search(rest):
        raise URLError(f"{bad[0]!r} is no percent escape")
    return URL(scheme, host, rest, has_password)


def parse_http_url(text: str) -> URL:
    """A URL with the scheme http or https and a host. Raises URLError."""
    url = parse_url(text)
    if url.scheme not in ("http", "https"):
        raise URLError(
            f"unsupported scheme {url.scheme!r} for URL" if url.scheme else "the URL has no scheme"
        )
    if not url.host:
        raise URLError("missing host for URL")
    return url


def _authority(authority: str) -> tuple[str, bool]:
    userinfo, at, host = authority.rpartition("@")
    if at and not _USERINFO.fullmatch(userinfo):
        raise URLError("invalid user and password in the URL")
    if host.startswith("["):
        inside, closing, port = host[1:].rpartition("]")
        if not closing:
            raise URLError("missing ']' in host")
        if not _HOST.fullmatch(inside):
            raise URLError(f"invalid character in host name {host!r}")
    else:
        _, colon, port = host.rpartition(":")
        port = colon + port if colon else ""
        if not _HOST.fullmatch(host) or "[" in host or "]" in host:
            raise URLError(f"invalid character in host name {host!r}")
    if port and not re.fullmatch(r":[0-9]*", port):
        raise URLError(f"invalid port {port!r} after host")
    return host, ":" in userinfo
