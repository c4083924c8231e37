"""What can go wrong on the way to a peer and back, in words for whoever looks for the cause."""

from __future__ import annotations


class ExchangeError(OSError):
    """No whole answer was had; the text names the peer and says what happened."""


class ResolveError(ExchangeError):
    """The host's name leads to no address."""


class ConnectError(ExchangeError):
    """No connection could be made; `__cause__` is the system's word for it."""


class CertificateError(ExchangeError):
    """The peer does not prove who it is."""


class ClosedUnasked(ExchangeError):
    """The peer closed the connection without a byte of an answer, as it may where it was kept open."""


class AnswerTooLarge(ExchangeError):
    """The body is larger than the caller takes."""


class RedirectError(OSError):
    """The peer sends us elsewhere in a way that we do not follow."""
