"""One HTTP/1.1 connection: a request out, its answer in, one after the other.

In:  the bytes of a request.
Out: an `Answer` as soon as its head is here, and its body when it is asked for; or an ExchangeError.
llhttp reads heads and chunks. A body whose length is known is received where it stays, with no copy in
between: scrapes are large, and to walk them once more costs as much as to read them.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from backbeat.httpclient.errors import AnswerTooLarge, ClosedUnasked, ExchangeError

SCRATCH_BYTES = 16 * 1024
_OK = 200
_LONGEST_HEAD = 64 * 1024
"""bytes that a peer may send without one of the body among them: a head, or the frames of chunks"""


class Connection(asyncio.BufferedProtocol):
    """Made by `Session`, which lends one to each exchange."""

    def __init__(self, place: str, scratch: memoryview) -> None:
        """scratch: where heads and chunks are received; it may be shared, for they are read at once."""
        self.place = place
        self.transport: asyncio.Transport
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.idle_since_s = 0.0
        self._scratch = scratch
        self._rest: memoryview | None = None
        """what is still empty of a body of known length"""
        self._waiter: asyncio.Future[None] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._failure: ExchangeError | None = None
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[str, str]] = []
        self._has_head = self._is_complete = self._is_interim = False
        self._length: int | None = None
        self._ends_with_connection = False
        self._body = bytearray()
        self._limit: int | None = None
        """bytes of the body that are wanted; None: it was not asked for yet"""
        self._ahead = 0
        self._is_cut = False
        self._silent = 0

    async def ask(self, request: bytes, *, ahead: int = 0) -> None:
        """Send a request and wait for the answer's head. Raises ExchangeError.

        ahead: the body of a 200 OK is waited for as well where its length is known and no larger
        """
        self._begin()
        self._ahead = ahead
        self._may_go_on = False
        if self.lost.done():
            raise self._lost_error()
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)
        await self._wait()

    async def read(self, limit: int, *, cut: bool) -> bytearray:
        """The answer's body. cut: its first `limit` bytes, else one that is larger raises AnswerTooLarge."""
        if (self._length or 0) > limit and not cut:
            raise self._too_large(limit)
        if not self._is_complete:
            await self._receive(limit)
        if len(self._body) <= limit and not self._is_cut:
            return self._body
        if not cut:
            raise self._too_large(limit)
        return self._body[:limit]

    async def _receive(self, limit: int) -> None:
        """Wait for the rest of the body, or for more of it than `limit`."""
        if self._failure is not None:
            raise self._failure
        self._limit = limit
        if self._length is not None:
            self._make_room(self._length, limit)
        if self._is_full():
            self._take_no_more()
        else:
            self.transport.resume_reading()
            await self._wait()

    def _make_room(self, length: int, limit: int) -> None:
        """From now on the body is received where it stays."""
        begun, self._body = self._body, bytearray(min(length, limit))
        begun = begun[: len(self._body)]
        self._body[: len(begun)] = begun
        self._rest = memoryview(self._body)[len(begun) :]
        self._is_cut = length > limit

    def _is_full(self) -> bool:
        """Whether the body is here as far as it is wanted."""
        if self._rest is not None:
            return not len(self._rest)
        return self._limit is not None and len(self._body) > self._limit

    def _too_large(self, limit: int) -> AnswerTooLarge:
        return AnswerTooLarge(f"{self.place}: the answer is larger than {limit} bytes")

    @property
    def is_whole(self) -> bool:
        """Whether the last answer is here to its end, and another request may follow it."""
        return self._may_go_on and self._is_complete and not self.lost.done()

    def let_go(self) -> None:
        """The answer was read: no body is held until the next request."""
        self._body = bytearray()

    def close(self) -> None:
        """At once, and without a word to the peer."""
        self._may_go_on = False
        self.transport.abort()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: ExchangeError) -> None:
        self._failure = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.close()

    def _lost_error(self) -> ExchangeError:
        if not (self._silent or self._has_head):
            return ClosedUnasked(f"{self.place} closed the connection without an answer")
        return ExchangeError("the answer broke off before its end")

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._may_go_on = False
        if not self.lost.done():
            self.lost.set_result(None)
        if self._has_head and self._ends_with_connection and error is None:
            self._is_complete = True
            self._wake()
        elif not self._is_complete:
            failure = self._lost_error()
            failure.__cause__ = error
            self._failure = self._failure or failure
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(failure)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch if self._rest is None else self._rest

    def buffer_updated(self, count: int) -> None:
        if self._rest is not None:
            self._rest = self._rest[count:]
            if self._is_full():
                self._take_no_more()
                self._wake()
        elif self._parser is None or self._is_complete:
            self.close()  # nothing was asked
        else:
            self._parse(self._parser, count)

    def _take_no_more(self) -> None:
        """A body of known length is here, or as much of it as is wanted."""
        if self._rest is None:
            self._is_cut = True  # llhttp waits for more
        self._rest = self._parser = None
        self._is_complete = True
        if self._is_cut:
            self.close()

    def _parse(self, parser: httptools.HttpResponseParser, count: int) -> None:
        self._silent += count
        try:
            parser.feed_data(self._scratch[:count])
        except httptools.HttpParserUpgrade:
            self._fail(ExchangeError(f"{self.place} wants to speak another protocol than HTTP"))
        except httptools.HttpParserError as error:
            self._may_go_on = False
            if not self._is_complete:
                told = " ".join(str(error).split())[:200]
                self._fail(ExchangeError(f"{self.place} does not answer in HTTP: {told}"))
        if self._failure is not None:
            return
        if self._silent > _LONGEST_HEAD and not self._is_complete:
            limit = f"{_LONGEST_HEAD} bytes"
            self._fail(ExchangeError(f"{self.place} sends more than {limit} of headers or chunk frames"))
        elif self._is_complete:
            self._parser = None
            self._wake()
        elif self._is_full():
            self._take_no_more()
            self._wake()
        elif self._has_head and self._limit is None:
            if self.status == _OK and self._length is not None and self._length <= self._ahead:
                # Without a pause: waking the asker in between costs more than receiving the body.
                self._limit = self._ahead
                self._make_room(self._length, self._ahead)
            else:
                self.transport.pause_reading()  # until someone asks for the body
                self._wake()

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._may_go_on = False  # it answers what was not asked

    def on_status(self, status: bytes) -> None:
        if not self._has_head:
            self.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        # Those after the body are of no use.
        if not self._has_head:
            self.headers.append((name.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")))

    def on_headers_complete(self) -> None:
        if self._is_complete:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._is_interim = True
            return
        self.status, self._has_head = status, True
        self._may_go_on = self._parser.should_keep_alive()
        framing = {name.lower(): value for name, value in self.headers}
        if "transfer-encoding" in framing:
            self._ends_with_connection = not framing["transfer-encoding"].lower().endswith("chunked")
        elif "content-length" in framing:
            self._length = int(framing["content-length"])
        else:
            self._ends_with_connection = True

    def on_body(self, part: bytes) -> None:
        self._silent = 0
        if not self._is_complete:
            self._body += part

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim, self.reason = False, b""
            self.headers.clear()
        else:
            self._is_complete = True


class Answer:
    """What a peer says. Its body may be read while the request's block lasts."""

    __slots__ = ("_connection", "headers", "reason", "sent", "status", "url")

    def __init__(self, connection: Connection, url: URL, sent: CIMultiDict[str]) -> None:
        """sent: the headers of the request"""
        self._connection = connection
        self.status = connection.status
        self.reason = connection.reason.decode("utf-8", "replace")
        self.headers = CIMultiDictProxy(CIMultiDict(connection.headers))
        self.url = url
        self.sent = sent

    async def read(self, limit: int, *, cut: bool = False) -> bytearray:
        """The body. cut: no more than its first `limit` bytes. Raises AnswerTooLarge, ExchangeError."""
        return await self._connection.read(limit, cut=cut)
