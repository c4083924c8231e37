"""What the demo says when everything runs: what to open, and what to try."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from backbeat.demo.ports import USUAL, Ports

_FAULTS = {
    "slow_database": "reads wait 1.8 s: HighResponseTime, HighDatabaseQueryTime",
    "http_5xx": "a third of the API calls fail: HighErrorRate",
    "cache_off": "the cache finds nothing: LowCacheHitRatio",
    "stream_errors": "a third of the streams break off: HighAudioStreamingErrorRate",
    "slow_uploads": "uploads take 40 s: HighFileUploadTime",
    "socket_refusals": "WebSockets are refused: HighWebSocketConnectionErrorRate",
    "rate_limit": "clients are refused: HighAPIRateLimiting",
}


def welcome(url: Callable[[int], str], ports: Ports, wanted: Ports, data_dir: Path) -> str:
    """The text for the terminal."""
    option = "" if ports.service == USUAL.service else f" --url {url(ports.service)}"
    command = _how_to_call_backbeat()
    width = max(map(len, _FAULTS))
    faults = "\n".join(
        f"  {command} chaos {name:<{width}} on{option}   # {why}" for name, why in _FAULTS.items()
    )
    return f"""
Backbeat is watching a small music service, NormalDance.

  Dashboard  {url(ports.dashboard)}/
  Inbox      {url(ports.inbox)}/   mail, Slack and webhook messages
  Service    {url(ports.service)}/   with buttons to break it
{_moved(ports, wanted)}
Break something. About a minute later its alert fires, and the inbox has the messages:

{faults}

  {command} chaos all off{option}   # repair everything; "resolved" comes within two minutes

Ctrl-C ends everything. Logs: {data_dir / "logs"}
"""


def _moved(ports: Ports, wanted: Ports) -> str:
    names = ("dashboard", "inbox", "service", "smtp")
    pairs = [(name, getattr(wanted, name), getattr(ports, name)) for name in names]
    lines = [f"  (port {old} is in use, so the {name} has {new})\n" for name, old, new in pairs if old != new]
    return "".join(lines)


def _how_to_call_backbeat() -> str:
    if shutil.which("backbeat"):
        return "backbeat"
    called = Path(sys.argv[0])
    if called.name != "backbeat":
        return f"{sys.executable} -m backbeat"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(called)
