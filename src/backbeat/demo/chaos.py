"""`backbeat chaos`: switches the faults of the example service."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import aiohttp

from backbeat.demo.ports import USUAL
from backbeat.model.errors import BackbeatError, WorldFailure

DEFAULT_URL = f"http://127.0.0.1:{USUAL.service}"


class UnknownFaultError(BackbeatError):
    """The service has no fault of that name."""


def chaos(name: str, action: Literal["on", "off", "list"] = "list", url: str = DEFAULT_URL) -> list[str]:
    """Switch a fault (`all` means every one), and return lines that say which faults are on.

    `chaos("list")` only asks.
    """
    answer = asyncio.run(_chaos(name, action, url.rstrip("/")))
    width = max(map(len, answer["faults"]))
    return [
        f"{'on ' if is_on else 'off'}  {fault:<{width}}  {answer['descriptions'][fault]}"
        for fault, is_on in answer["faults"].items()
    ]


async def _chaos(name: str, action: str, url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        try:
            async with session.get(f"{url}/chaos") as answer:
                state: dict[str, Any] = await _read(answer, url)
            if action == "list":
                return state
            wanted = list(state["faults"]) if name == "all" else [name]
            if wanted[0] not in state["faults"]:
                known = ", ".join(state["faults"])
                raise UnknownFaultError(f"{url} has no fault {name!r}; it has: {known}")
            switches = dict.fromkeys(wanted, action == "on")
            async with session.post(f"{url}/chaos", json=switches) as answer:
                return await _read(answer, url)
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or "no answer in 10 s"
            raise WorldFailure(
                f"{url}: {reason}; is the demo running (backbeat demo), and there? Say where by --url"
            ) from error


async def _read(answer: aiohttp.ClientResponse, url: str) -> dict[str, Any]:
    try:
        body = await answer.json()
    except (aiohttp.ContentTypeError, ValueError) as error:
        raise WorldFailure(f"{url}/chaos is not the example service: it answered {answer.status}") from error
    if answer.status != 200:
        raise WorldFailure(f"{url}/chaos answered {answer.status}: {body.get('error', body)}")
    return dict(body)
