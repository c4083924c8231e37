"""`backbeat demo`: the example service, its listeners, Backbeat and the inbox, started and ended together."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import aiohttp
from msgspec import Struct

from backbeat.demo.children import Child, child
from backbeat.demo.files import write_demo_files
from backbeat.demo.inbox import running_inbox
from backbeat.demo.places import service_environment
from backbeat.demo.ports import USUAL, Ports, choose_ports
from backbeat.demo.welcome import welcome
from backbeat.model.errors import WorldFailure

_READY_WITHIN_S = 60.0

ServeCommand = Callable[[Path, Path, str], Sequence[str]]
"""(configuration directory, data directory, HOST:PORT) to the command that runs Backbeat"""


def serve_command(config_dir: Path, data_dir: Path, listen: str) -> Sequence[str]:
    """Backbeat as installed where this runs."""
    options = ["--data", str(data_dir), "--listen", listen]
    return [sys.executable, "-m", "backbeat", "serve", str(config_dir), *options]


class Demo(Struct, frozen=True):
    """Where everything of a running demo is."""

    host: str
    ports: Ports
    data_dir: Path

    def url(self, port: int) -> str:
        return f"http://{self.address(port)}"

    def address(self, port: int) -> str:
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


async def run_demo(
    data_dir: Path,
    *,
    host: str = "127.0.0.1",
    wanted: Ports = USUAL,
    say: Callable[[str], None] = lambda text: None,
    serve: ServeCommand = serve_command,
    stop: asyncio.Event | None = None,
) -> None:
    """Run until Ctrl-C, SIGTERM or `stop`; raises WorldFailure where a part cannot start or ends by itself.

    Everything that is started is ended before this returns, by force after 3.5 s.
    """
    stop = stop or _stop_on_signals()
    data_dir = Path.cwd() / data_dir
    with _sole_user_of(data_dir):
        demo = Demo(host, choose_ports(host, wanted), data_dir)
        async with AsyncExitStack() as running:
            parts = await _start(demo, serve, running, stop)
            if not stop.is_set():
                say(welcome(demo.url, demo.ports, wanted, data_dir))
                await _until_stopped(stop, parts)
                say("Ending …")


async def _start(
    demo: Demo, serve: ServeCommand, running: AsyncExitStack, stop: asyncio.Event
) -> Sequence[Child]:
    ports, logs, environment = demo.ports, demo.data_dir / "logs", service_environment()
    python = [sys.executable, "-m", "normaldance"]
    service_address = demo.address(ports.service)
    config_dir = demo.data_dir / "config"
    write_demo_files(
        config_dir,
        service=service_address,
        smtp=demo.address(ports.smtp),
        inbox=demo.address(ports.inbox),
    )
    await running.enter_async_context(running_inbox(demo.host, ports.inbox, ports.smtp))
    # The slowest to start goes first; the others start while it reads its files.
    command = serve(config_dir, demo.data_dir / "data", demo.address(ports.dashboard))
    backbeat = await _enter(running, "Backbeat", command, logs / "backbeat.log")
    where = ["--host", demo.host, "--port", str(ports.service), "--data", str(demo.data_dir / "service")]
    service = await _enter(
        running, "the service", [*python, "serve", *where], logs / "service.log", environment
    )
    await _ready(f"{demo.url(ports.service)}/healthz", service, stop)
    listeners = [*python, "traffic", "--url", demo.url(ports.service)]
    traffic = await _enter(running, "its traffic", listeners, logs / "traffic.log", environment)
    await _ready(f"{demo.url(ports.dashboard)}/-/ready", backbeat, stop)
    return backbeat, service, traffic


async def _enter(
    running: AsyncExitStack, name: str, command: Sequence[str], log: Path, env: dict[str, str] | None = None
) -> Child:
    return await running.enter_async_context(child(name, command, log, env))


async def _ready(url: str, part: Child, stop: asyncio.Event) -> None:
    """Wait until `url` answers 200, the part dies (an error), or the demo is stopped."""
    answered = asyncio.create_task(_answers(url))
    died = asyncio.create_task(part.died())
    stopped = asyncio.create_task(stop.wait())
    tasks: set[asyncio.Task[object]] = {answered, died, stopped}
    done, _ = await asyncio.wait(tasks, timeout=_READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks - done:
        task.cancel()
    if died in done:
        raise died.result()
    if answered in done:
        answered.result()
    if not done:
        raise WorldFailure(
            f"{part.name} is not ready after {_READY_WITHIN_S:.0f} s: {url} does not answer 200"
        )


async def _answers(url: str) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)


async def _until_stopped(stop: asyncio.Event, parts: Sequence[Child]) -> None:
    stopped = asyncio.create_task(stop.wait())
    deaths = [asyncio.create_task(part.died()) for part in parts]
    await asyncio.wait([stopped, *deaths], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for death in deaths:
        if death.done():
            raise death.result()
        death.cancel()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@contextmanager
def _sole_user_of(data_dir: Path) -> Iterator[None]:
    """Hold the lock of the directory, since two demos would write the same files."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        raise WorldFailure(
            f"{error.filename}: {error.strerror}; choose another directory by --data"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorldFailure(
                f"{data_dir}: another demo is running there; end it, or choose another directory by --data"
            ) from None
        yield
