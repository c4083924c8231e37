"""`python -m normaldance serve` runs the service, `python -m normaldance traffic` its listeners."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="normaldance", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the service")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=9897)
    serve.add_argument(
        "--data", type=Path, default=Path(".normaldance"), help="directory of database and uploads"
    )
    traffic = commands.add_parser("traffic", help="send it requests")
    traffic.add_argument("--url", default="http://127.0.0.1:9897")
    traffic.add_argument("--per-second", type=float, default=25.0, help="actions a second, about")
    chosen = parser.parse_args()
    if chosen.command == "serve":
        _serve(chosen.host, chosen.port, chosen.data)
    else:
        asyncio.run(_send_traffic(chosen.url, chosen.per_second))


def _serve(host: str, port: int, data_dir: Path) -> None:
    import uvicorn

    from .app import build_app

    uvicorn.run(
        build_app(data_dir),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )


async def _send_traffic(url: str, per_s: float) -> None:
    from .traffic import Traffic

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Traffic(url, per_s).run(stop)


if __name__ == "__main__":
    main()
