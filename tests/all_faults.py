"""`make torture`: every fault test at full size; prints the counts. Takes about two hours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = (
    ("faults/kill_server.py", "--kills", "1000", "--seed", "1"),
    ("alerting/kill_notify.py", "--kills", "1000", "--seed", "1"),
    ("alerting/alerting_faults.py", "--seed", "1"),
    ("rules/restarts.py", "--restarts", "500", "--seed", "1"),
    ("storage/torture.py", "--kills", "1000", "--seed", "1"),
    ("faults/power_cut.py", "--cuts", "500", "--seed", "1", "--fsync", "always"),
    ("faults/power_cut.py", "--cuts", "500", "--seed", "1", "--fsync", "1s"),
    ("faults/damage.py", "--cases", "10000", "--seed", "1"),
    ("faults/damage_state.py", "--cases", "1000", "--seed", "1"),
    ("faults/full_disk.py", "--fills", "20", "--seed", "1"),
    ("faults/read_only_disk.py", "--times", "20", "--seed", "1"),
    ("faults/bad_disk.py", "--times", "10", "--seed", "1"),
)


def main() -> int:
    failed = 0
    for script, *options in RUNS:
        print(f"== {script} {' '.join(options)}", flush=True)
        failed += subprocess.run([sys.executable, str(HERE / script), *options], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
