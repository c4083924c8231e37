"""How long a request waits for its turn while ten dashboards refresh: `python -m benchmarks.loop_delay`.

2,040 series of 12 h, as in `benchmarks.queries`. Ten dashboards, in a process of their own, ask their eight
panels over 1 h at 15 s every five seconds, one step later each time. Another client asks every 10 ms for
`/-/healthy`, which needs no work but the event loop's turn. Shown are that client's waits with and without
the dashboards; the difference is the delay of the event loop.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
from benchmarks.queries import PANELS, WINDOWS, fill, paths, start_servers

DASHBOARDS = 10
EVERY_S = 5.0
PROBE_S = 0.01


def refresh(port: int, end_s: int, ends: Callable[[], bool]) -> None:
    """One dashboard: its panels again and again."""
    time.sleep(random.uniform(0, EVERY_S))
    back_s = 3600
    while not ends():
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for panel in PANELS.values():
            for path in paths(panel, WINDOWS[2], end_s - back_s):
                connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
                connection.getresponse().read()
        connection.close()
        back_s -= WINDOWS[2].step_s
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))


def dashboards(port: int, end_s: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=refresh, args=(port, end_s, lambda: time.monotonic() > until))
        for _ in range(DASHBOARDS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def probe(port: int, seconds: float) -> list[float]:
    """Waits in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    waits = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        connection.request("GET", "/-/healthy")
        connection.getresponse().read()
        waits.append((time.perf_counter() - began) * 1000)
        time.sleep(PROBE_S)
    return waits


def show(what: str, waits: list[float]) -> None:
    middle, high, top = np.percentile(waits, (50, 99, 100))
    shown = f"median {middle:6.2f} ms, p99 {high:6.2f} ms, longest {top:6.2f} ms"
    print(f"{what:24} {shown}, {len(waits)} probes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40)
    chosen = parser.parse_args()
    end_s = int(time.time()) // 60 * 60 - 60
    with ExitStack() as stack:
        server = start_servers(stack, ("backbeat",))[0]
        fill([server], end_s * 1000)
        show("at rest", probe(server.port, chosen.seconds / 4))
        asking = multiprocessing.Process(target=dashboards, args=(server.port, end_s, chosen.seconds))
        asking.start()
        time.sleep(EVERY_S)
        show("ten dashboards refresh", probe(server.port, chosen.seconds - EVERY_S))
        asking.join()


if __name__ == "__main__":
    main()
