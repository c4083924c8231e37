"""What the channels that speak HTTP have alike: words first, in a thread; then requests."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from backbeat.config.http_client import HTTPClient
from backbeat.httpclient import Session
from backbeat.model.alerts import Delivery, Notification
from backbeat.notify.http import Answer, Outlet, Request
from backbeat.notify.texts import Texts
from backbeat.notify.wording import Unsendable, Wording


class HttpSettings(Protocol):
    @property
    def http(self) -> HTTPClient: ...

    @property
    def send_resolved(self) -> bool: ...


Settings = TypeVar("Settings", bound=HttpSettings)


class Tools(Struct, frozen=True):
    """What all channels share."""

    session: Session
    texts: Texts


class HttpChannel(ABC, Generic[Settings]):
    """Any number of requests a message, over one `Outlet`."""

    kind: str = ""

    def __init__(self, config: Settings, tools: Tools) -> None:
        self.send_resolved = config.send_resolved
        self.config = config
        self.texts = tools.texts
        timeout_ms = getattr(config, "timeout_ms", 0)
        self.outlet = Outlet(tools.session, config.http, timeout_ms=timeout_ms, retried=self.retried())

    def retried(self) -> Collection[int]:
        """Statuses that can be tried again, beside 429 and 5xx."""
        return ()

    async def send(self, notification: Notification) -> Delivery:
        try:
            return await self.deliver(Wording(self.texts, self.texts.routed(notification)))
        except Unsendable as error:
            return error.delivery

    @abstractmethod
    async def deliver(self, wording: Wording) -> Delivery:
        """Raises Unsendable. Templates are slow: they are rendered in a thread."""


class PostingChannel(HttpChannel[Settings]):
    """One request a message."""

    async def deliver(self, wording: Wording) -> Delivery:
        request = await asyncio.to_thread(self.request, wording)
        return self.understood(await self.outlet.ask(request))

    @abstractmethod
    def request(self, wording: Wording) -> Request:
        """What to ask of the receiver. Called in a thread. Raises Unsendable."""

    def understood(self, answer: Answer) -> Delivery:
        """What the answer means; the status alone where nothing else is known of the receiver."""
        return answer.delivery
