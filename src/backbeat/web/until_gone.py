"""A question to the engine, answered unless the client goes first.

In:  a request and a coroutine. Out: its result; what is computed for nobody ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from backbeat.model.results import BadQuery, QueryCanceled
from backbeat.web.params import BadParameter

LOOKED_FOR_AFTER_S = 0.01
"""A client is taken to be there for so long: most queries are answered before."""
Found = TypeVar("Found")


def bad_query(error: BadQuery) -> BadParameter:
    return BadParameter(f'invalid parameter "query": {error}')


async def answered(request: Request, asked: Coroutine[Any, Any, Found]) -> Found:
    """The answer, or an end to the computation once the client has gone. Raises QueryError, BadParameter."""
    try:
        waiting = asked.send(None)
    except StopIteration as done:  # nearly always so
        found: Found = done.value
        return found
    except BadQuery as error:
        raise bad_query(error) from None
    loop = asyncio.get_running_loop()
    until_gone = asyncio.timeout(None)
    looking: list[asyncio.Task[None]] = []
    begin_to_look = loop.call_later(
        LOOKED_FOR_AFTER_S, lambda: looking.append(loop.create_task(_end_once_gone(request, until_gone)))
    )
    try:
        async with until_gone:
            return await _rest(asked, waiting)
    except BadQuery as error:
        raise bad_query(error) from None
    except TimeoutError:
        if not until_gone.expired():
            raise
        raise QueryCanceled("query was canceled in expression evaluation: the client has gone") from None
    finally:
        begin_to_look.cancel()
        for each in looking:
            each.cancel()


@coroutine
def _rest(begun: Coroutine[Any, Any, Found], waiting: Any) -> Generator[Any, Any, Found]:
    """What is left of a coroutine that was begun by hand and waits."""
    while True:
        try:
            sent = yield waiting
        except BaseException as error:
            go_on = partial(begun.throw, error)
        else:
            go_on = partial(begun.send, sent)
        try:
            waiting = go_on()
        except StopIteration as done:
            found: Found = done.value
            return found


async def _end_once_gone(request: Request, until_gone: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    until_gone.reschedule(0)
