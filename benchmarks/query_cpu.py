"""The eight queries of the dashboard as CPU time: `python -m benchmarks.query_cpu`.

As `benchmarks.queries`, but counted is the CPU (user and system) of each server's process for a panel, so
that a machine busy with other work says something, too. At rest a client's wait is the better measure: a peer
may use several cores at once.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import time
from contextlib import ExitStack

from benchmarks.queries import PANELS, WINDOWS, Server, Window, fill, paths, start_servers


def cpu_ms(server: Server, panel: tuple[str, ...], window: Window, end_s: int, runs: int) -> float:
    """Mean CPU of the server for one panel."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for run in range(-2, runs):
        if run == 0:
            before = server.process.cpu_times()
        back_s = (runs - run) * window.step_s if window.refreshed else 0
        for path in paths(panel, window, end_s - back_s):
            connection.request("GET", path, headers={"Accept-Encoding": "identity"})
            connection.getresponse().read()
    after = server.process.cpu_times()
    connection.close()
    return (after.user + after.system - before.user - before.system) * 1000 / runs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=60, help="for the panels of few series; of others fewer")
    chosen = parser.parse_args()
    end_s = int(time.time()) // 60 * 60 - 60
    with ExitStack() as stack:
        servers = start_servers(stack)
        fill(servers, end_s * 1000)
        for window in WINDOWS:
            print(f"\n{window.name}, ms of CPU: {', '.join(server.name for server in servers)}")
            ratios = []
            for name, panel in PANELS.items():
                runs = max(4, chosen.runs // 4 // len(panel)) if "_bucket" in panel[0] else chosen.runs
                took = [cpu_ms(server, panel, window, end_s, runs) for server in servers]
                ratios.append([took[0] / max(each, 1e-3) for each in took[1:]])
                print(f"{name:30}" + "".join(f"{each:9.2f}" for each in took), flush=True)
            for server, own in zip(servers[1:], zip(*ratios, strict=True), strict=True):
                print(f"median ratio to {server.name}: {statistics.median(own):.3f}")


if __name__ == "__main__":
    main()
