"""Child processes of the demo: started, watched, and ended together, so that none is left behind."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from backbeat.model.errors import WorldFailure

_LAST_LINES = 15
_GRACE_S = 3.5
_PR_SET_PDEATHSIG = 1


class ChildDiedError(WorldFailure):
    """A part of the demo ended by itself; the message holds its last lines."""


class Child:
    """A running process whose output goes to a file; the last lines are kept to explain its end."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._reader = asyncio.create_task(self._read_output(), name=f"output of {name}")

    @property
    def pid(self) -> int:
        return self._process.pid

    async def died(self) -> ChildDiedError:
        """Wait until the process ends, and say how."""
        code = await self._process.wait()
        await self._reader
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        lines = "".join(f"\n    {line}" for line in self._last_lines) or " (it printed nothing)"
        return ChildDiedError(
            f"{self.name} ended by itself ({how}). Its last lines, from {self._log}:{lines}"
        )

    async def stop(self) -> None:
        """End it in order; by force if it has not ended within 3.5 s."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _GRACE_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read_output(self) -> None:
        assert self._process.stdout is not None
        with self._log.open("ab", buffering=0) as log:
            async for line in self._process.stdout:
                log.write(line)
                self._last_lines.append(line.decode(errors="replace").rstrip())


@asynccontextmanager
async def child(
    name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Run `command` while the block runs."""
    log.parent.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=env,
        # A session of its own: Ctrl-C reaches only the demo, which ends its children in order.
        start_new_session=True,
        preexec_fn=_end_with_parent(),
    )
    started = Child(name, process, log)
    try:
        yield started
    finally:
        await started.stop()


def _end_with_parent() -> Callable[[], None] | None:
    """On Linux: have the kernel end the child when the demo is killed and cannot do it."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel
