"""This machine as a target: its figures are collected on a thread of their own, for the system may block."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

from backbeat.collect.fetch import Fetched, FetchError
from backbeat.collect.target import Target
from backbeat.config.prometheus import ScrapeConfig
from backbeat.model.durations import format_duration
from backbeat.model.labels import Labels


class HostCollector:
    """Fetches the host's figures; one collection at a time, even where a disk hangs."""

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._running: threading.Thread | None = None

    async def __call__(self) -> Fetched:
        """Raises FetchError."""
        if self._running is not None and self._running.is_alive():
            raise FetchError("the last collection still waits for the system, probably for a hanging mount")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()

        def deliver(body: bytes | None, error: Exception | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(body or b"")

        def collect() -> None:
            body, error = None, None
            try:
                # With the first collection: a server is ready before its own host's figures can be read.
                from backbeat.collect import host

                body = host.exposition()
            except Exception as raised:  # handed to the scrape loop
                error = raised
            # A loop that has closed in between wants no answer.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(deliver, body, error)

        # A daemon thread, so that a hanging mount cannot keep the process from ending.
        self._running = threading.Thread(target=collect, name="host collector", daemon=True)
        self._running.start()
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                return Fetched(await answer, openmetrics=False)
        except TimeoutError as error:
            waited = format_duration(self._timeout_ms)
            raise FetchError(f"timeout: the system gave no answer within {waited}") from error
        except (OSError, ValueError) as error:
            raise FetchError(f"the system's figures could not be read: {error}") from error


def host_target(config: ScrapeConfig) -> Target:
    """The target that stands for this machine."""
    name = socket.gethostname()
    labels = Labels.of(job=config.job_name, instance=name)
    return Target(
        config.job_name, labels, f"host://{name}", config.scrape_interval_ms, config.scrape_timeout_ms, labels
    )
