"""Make the virtual environment and install what a lock file names, with hashes checked.

Usage: make_venv.py VENV LOCK. Runs on the system's python3, so it uses the standard library only.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)


def main(venv: Path, lock: Path) -> int:
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"Backbeat needs Python 3.11 or newer, found {found}; try: make PYTHON=python3.12 run")
        return 1
    pip = [str(venv / "bin" / "python"), "-m", "pip"]
    if not (venv / "bin" / "python").exists():
        print(f"making {venv} (once) ...", flush=True)
        if importlib.util.find_spec("ensurepip") is not None:
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        elif importlib.util.find_spec("pip") is not None:
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        else:
            print("this python3 has neither ensurepip nor pip; install one, e.g. apt install python3-venv")
            return 1
    if not (venv / "bin" / "pip").exists():
        pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python")]
    quiet = ["install", "--quiet", "--disable-pip-version-check"]
    print(f"installing what {lock} names ...", flush=True)
    subprocess.run([*pip, *quiet, "--require-hashes", "-r", str(lock)], check=True)
    editable = ["--no-deps", "--no-build-isolation", "--editable"]
    subprocess.run([*pip, *quiet, *editable, ".", *editable, "instrument"], check=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
    except subprocess.CalledProcessError as failed:
        print(
            f"{' '.join(failed.cmd[:4])} ... failed with exit code {failed.returncode}; see the lines above"
        )
        sys.exit(1)
