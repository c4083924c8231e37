"""From a breach to the mailbox: `for: 0s`, group_wait 0, everything real but the target and the mail server.

    python -m benchmarks.breach [--breaches 20]

A target's value goes beyond its threshold at a random moment; measured is the time until the mail about it
has arrived over SMTP. The goal is less than a second beyond the scrape and the evaluation interval.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

from aiohttp import ClientError, ClientSession, web
from aiosmtpd.controller import Controller

SCRAPE_S, EVALUATION_S, GOAL_S = 1.0, 1.0, 1.0
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: target
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
"""
RULES = """
groups:
  - name: breach
    rules:
      - alert: Breach
        expr: level > 0.5
        annotations: {summary: "{{ $labels.number }} is over"}
"""
ALERTMANAGER = """
route: {{receiver: mail, group_by: [number], group_wait: 0s}}
receivers:
  - name: mail
    email_configs:
      - to: a@example.org
        from: b@example.org
        smarthost: 127.0.0.1:{smtp}
        require_tls: false
        headers: {{Subject: "{{{{ .GroupLabels.number }}}}"}}
"""


class Mailbox:
    """Subjects of mails with their times of arrival. The SMTP server runs in a thread of its own."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        head = bytes(envelope.content).decode("utf-8", "replace")
        subject = next(line for line in head.splitlines() if line.startswith("Subject: "))
        mail = subject.removeprefix("Subject: ").strip(), time.monotonic()
        self._loop.call_soon_threadsafe(self.arrived.put_nowait, mail)
        return "250 OK"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def run(breaches: int) -> list[float]:
    """Seconds from each breach to its mail."""
    broken: list[int] = []

    async def metrics(_: web.Request) -> web.Response:
        lines = [f'level{{number="{number}"}} {int(number in broken)}' for number in range(breaches)]
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")

    async with AsyncExitStack() as stack:
        own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        app = web.Application()
        app.router.add_get("/metrics", metrics)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        mailbox = Mailbox()
        smtp = Controller(mailbox, "127.0.0.1", port=free_port())
        smtp.start()
        stack.callback(smtp.stop)
        (own / "prometheus.yml").write_text(PROMETHEUS.format(target=runner.addresses[0][1]))
        (own / "rules.yml").write_text(RULES)
        (own / "alertmanager.yml").write_text(ALERTMANAGER.format(smtp=smtp.port))
        (own / "backbeat.yml").write_text("host_collector: false\n")
        await _serve(own, stack)
        took: list[float] = []
        for number in range(breaches):
            await asyncio.sleep(random.uniform(0.5, 1.5))
            broken.append(number)
            began = time.monotonic()
            subject, arrived = await mailbox.arrived.get()
            assert subject == str(number), f"found a mail about {subject}, expected {number}"
            took.append(arrived - began)
        return took


async def _serve(own: Path, stack: AsyncExitStack) -> None:
    port = free_port()
    backbeat = str(Path(sys.executable).with_name("backbeat"))
    serve = ["serve", str(own), "--data", str(own / "data"), "--listen", f"127.0.0.1:{port}"]
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(backbeat, *serve, stdout=quiet, stderr=quiet)
    stack.push_async_callback(child.wait)
    stack.callback(child.kill)
    async with ClientSession() as session:
        for _ in range(2400):
            try:
                async with session.get(f"http://127.0.0.1:{port}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except ClientError:
                pass
            await asyncio.sleep(0.05)
    raise RuntimeError("it did not start")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--breaches", type=int, default=20)
    took = asyncio.run(run(parser.parse_args().breaches))
    beyond_s = max(took) - SCRAPE_S - EVALUATION_S
    print(f"{len(took)} breaches, scrape and evaluation each {SCRAPE_S:g} s, for: 0s, group_wait: 0s")
    print(f"to the mailbox: median {median(took):.2f} s, at most {max(took):.2f} s")
    print(f"beyond both intervals: {max(0.0, beyond_s):.2f} s (goal: under {GOAL_S:g} s)")


if __name__ == "__main__":
    main()
