"""Every benchmark in turn: `python -m benchmarks`. Peers that are not installed are left out."""

from __future__ import annotations

import subprocess
import sys

RUNS = (
    ("queries",),
    ("loop_delay",),
    ("rules",),
    ("start",),
    ("cardinality",),
    ("ingest",),
    ("ingest", "--gzip"),
    ("ingest", "--churn", "0.1"),
    ("ingest", "--remote-write"),
    ("ingest", "--targets", "500", "--interval", "15", "--warm-up", "60", "--seconds", "90"),
    ("scale",),
    ("storage_figures",),
    ("alerting",),
    ("pages",),
    ("breach",),
)


def main() -> int:
    """The number of benchmarks that failed."""
    failed = 0
    for name, *more in RUNS:
        print(f"\n== {' '.join((name, *more))}\n", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *more]
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
