"""Alerts to external Alertmanagers, beside the embedded alerting.

In:  alerts from the rules.
Out: POST /api/v2/alerts to every configured target, each with a queue of its own.
What a target does not take is tried again until it does, or until newer alerts need the room in the queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from msgspec import Struct
from yarl import URL

from backbeat.config.prometheus import AlertmanagerTargets
from backbeat.httpclient import Client, Session
from backbeat.model.alerts import Alert, AlertSink
from backbeat.model.labels import Labels

Relabel = Callable[[Labels], Labels | None]
"""External labels and alert_relabel_configs; None drops the alert."""

_BATCH = 64
_LONGEST_QUEUE = 10_000
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0
_SHOWN_BYTES = 200
_log = logging.getLogger(__name__)


class TargetStatus(Struct):
    """One target as /api/v1/alertmanagers and the metrics show it."""

    url: str
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    queued: int = 0
    last_error: str = ""


class ExternalAlertmanagers:
    """An `AlertSink`: queues alerts for every target and returns at once. `start` first, `stop` at the end.

    relabel: applied to every alert; a target's own alert_relabel_configs come as its entry of `own_relabels`.
    """

    def __init__(
        self,
        configured: Sequence[AlertmanagerTargets],
        relabel: Relabel,
        own_relabels: Sequence[Relabel] = (),
    ) -> None:
        self._relabel = relabel
        self._targets = [
            _Target(settings, address, own_relabels[index] if own_relabels else None)
            for index, settings in enumerate(configured)
            for group in settings.discovery.static_configs
            for address in group.targets
        ]

    async def start(self) -> None:
        for target in self._targets:
            target.start()

    async def stop(self) -> None:
        await asyncio.gather(*(target.stop() for target in self._targets))

    async def receive(self, alerts: Sequence[Alert]) -> None:
        for target in self._targets:
            target.put([payload for alert in alerts if (payload := self._payload(alert, target))])

    def targets(self) -> list[TargetStatus]:
        return [target.status for target in self._targets]

    def _payload(self, alert: Alert, target: _Target) -> dict[str, Any] | None:
        labels = self._relabel(alert.labels)
        if labels is not None and target.relabel is not None:
            labels = target.relabel(labels)
        if not labels:
            return None
        return {
            "labels": dict(labels),
            "annotations": dict(alert.annotations),
            "startsAt": _rfc3339(alert.starts_at_ms),
            "endsAt": _rfc3339(alert.ends_at_ms),
            "generatorURL": alert.generator_url,
        }


class FanOut:
    """An `AlertSink` that hands alerts to several; one that fails keeps nothing from the others."""

    def __init__(self, *sinks: AlertSink) -> None:
        self._sinks = sinks

    async def receive(self, alerts: Sequence[Alert]) -> None:
        """Raises the first failure, after every sink was asked."""
        results = await asyncio.gather(
            *(sink.receive(alerts) for sink in self._sinks), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result


class _Target:
    def __init__(self, settings: AlertmanagerTargets, address: str, relabel: Relabel | None) -> None:
        prefix = "/" + settings.path_prefix.strip("/") if settings.path_prefix.strip("/") else ""
        self.status = TargetStatus(f"{settings.scheme}://{address}{prefix}/api/v2/alerts")
        self.relabel = relabel
        self._http = settings.http
        self._timeout_s = settings.timeout_ms / 1000
        self._queue: deque[dict[str, Any]] = deque(maxlen=_LONGEST_QUEUE)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def put(self, payloads: list[dict[str, Any]]) -> None:
        """The oldest give way when the queue is full, and are counted."""
        self.status.dropped += max(0, len(self._queue) + len(payloads) - _LONGEST_QUEUE)
        self._queue.extend(payloads)
        self.status.queued = len(self._queue)
        self._news.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"alertmanager {self.status.url}")
        self._task.add_done_callback(_be_loud)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        async with Session() as session:
            client = Client(session, self._http)
            retry_s = _FIRST_RETRY_S
            while True:
                if not self._queue:
                    self._news.clear()
                    await self._news.wait()
                batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
                failure, again = await self._post(client, batch)
                if not failure:
                    self.status.sent += len(batch)
                    self.status.last_error = ""
                    retry_s = _FIRST_RETRY_S
                    self.status.queued = len(self._queue)
                    continue
                self._note_failure(failure)
                if not again:
                    self.status.dropped += len(batch)
                    continue
                room = _LONGEST_QUEUE - len(self._queue)
                self.status.dropped += max(0, len(batch) - room)
                self._queue.extendleft(reversed(batch[max(0, len(batch) - room) :]))
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)

    async def _post(self, client: Client, batch: list[dict[str, Any]]) -> tuple[str, bool]:
        """One attempt. Returns what went wrong, or an empty string, and whether trying again can help."""
        url, headers = URL(self.status.url), {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.request("POST", url, headers, data=orjson.dumps(batch)) as answer,
            ):
                if answer.status < 300:
                    return "", False
                again = answer.status >= 500 or answer.status == 429
                said = await answer.read(_SHOWN_BYTES, cut=True)
                return f"HTTP {answer.status}: {said.decode('utf-8', 'replace')}", again
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s", True
        except (OSError, ValueError) as failure:
            return str(failure) or type(failure).__name__, True

    def _note_failure(self, failure: str) -> None:
        self.status.failed += 1
        if failure != self.status.last_error:
            _log.warning("alertmanager %s: %s", self.status.url, failure)
        self.status.last_error = failure


def _be_loud(task: asyncio.Task[None]) -> None:
    """A sender ends only when it is stopped; anything else is a bug of ours."""
    if not task.cancelled() and (bug := task.exception()) is not None:
        _log.error("alertmanager: %s ended", task.get_name(), exc_info=bug)


def _rfc3339(ms: int) -> str:
    """Zero time where nothing is said, as Go writes it."""
    if ms == 0:
        return "0001-01-01T00:00:00Z"
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
