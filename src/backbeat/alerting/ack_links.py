"""Signed links of messages by which a group is acknowledged, without signing in.

A link names its group by a digest, says until when it is good, and bears a signature over both by a key that
is kept in the state. It only opens a page: nothing is acknowledged before somebody confirms there.
Pure: the key and the time are arguments.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from msgspec import Struct

from backbeat.model.errors import BackbeatError

PATH = "/ack/"
GOOD_FOR_MS = 7 * 86_400_000
_EXPIRY_BYTES, _DIGEST_BYTES, _SIGNATURE_BYTES = 5, 12, 16
_BYTES = _EXPIRY_BYTES + _DIGEST_BYTES + _SIGNATURE_BYTES


class BadLink(BackbeatError):
    """Not signed by this Backbeat, or damaged on its way."""


class ExpiredLink(BadLink):
    """Signed by this Backbeat, too long ago."""


class AckLinks(Struct, frozen=True):
    key: bytes
    external_url: str

    def url(self, group_key: str, receiver: str, now_ms: int) -> str:
        """The link of a message to this receiver about this group, sent now."""
        expiry = ((now_ms + GOOD_FOR_MS) // 1000).to_bytes(_EXPIRY_BYTES, "big")
        said = expiry + group_digest(group_key, receiver)
        token = urlsafe_b64encode(said + self._signature(said)).decode()
        return f"{self.external_url.rstrip('/')}{PATH}{token}"

    def read(self, token: str, now_ms: int) -> bytes:
        """The digest of the link's group. Raises BadLink, ExpiredLink."""
        try:
            raw = urlsafe_b64decode(token.encode("ascii"))
        except (binascii.Error, UnicodeEncodeError, ValueError):
            raw = b""
        said, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        if len(raw) != _BYTES or not hmac.compare_digest(signature, self._signature(said)):
            raise BadLink("this link was not made by this Backbeat, or was damaged on its way")
        if int.from_bytes(said[:_EXPIRY_BYTES], "big") * 1000 < now_ms:
            raise ExpiredLink("this link is older than a week, and too old to acknowledge by")
        return said[_EXPIRY_BYTES:]

    def _signature(self, said: bytes) -> bytes:
        return hmac.digest(self.key, b"acknowledge\0" + said, "sha256")[:_SIGNATURE_BYTES]


def group_digest(group_key: str, receiver: str) -> bytes:
    return hashlib.sha256(f"{group_key}\xff{receiver}".encode()).digest()[:_DIGEST_BYTES]
