"""One process per data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from backbeat.model.errors import WorldFailure
from backbeat.storage.files import make_directory


class DirectoryLock:
    """Held from opening to closing; the system frees it when the process dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        try:
            make_directory(directory)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WorldFailure(
                f"data directory {directory}: cannot write there ({error.strerror}); "
                "make it writable for this user or choose another with --data"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise WorldFailure(
                f"data directory {directory}: in use by process {holder}; "
                "stop that process or choose another directory with --data"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        os.close(self._descriptor)
