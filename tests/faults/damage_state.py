"""Bit flips and truncations over the files of the alert state.

    python tests/faults/damage_state.py --cases 1000 --seed 1

A state with alerts, silences, log entries, messages and history, part of it in SQLite's own log, is damaged
in one place and opened. It must open every time, say so where a row is missing, hold no row that was never
written (save the one that was hit), keep the damaged file in quarantine, and take new rows. What SQLite's own
log held behind a damage of it is lost without a word, as after a power cut. Every case is a function of seed
and number.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state import State, open_state, store
from backbeat.state.records import Destination, Event, EventKind, LogEntry, Message, Silence, StoredAlert

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
ROWS = 60
Rows = Mapping[str, dict[str, Any]]


class Report(Struct):
    """What a run of damages found."""

    seed: int
    cases: int = 0
    mended: int = 0
    """cases in which the file was set aside"""
    lost: Counter[str] = field(default_factory=Counter)
    most_lost: int = 0
    """rows of alerts, silences, log and outbox that one damage cost"""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lost = ", ".join(f"{count} of {table}" for table, count in self.lost.most_common())
        return (
            f"seed {self.seed}: {self.cases} damages of the state, {self.mended} mended, rows lost in all:"
            f" {lost or 'none'}; at most {self.most_lost} of {4 * ROWS} by one; {len(self.faults)} faults"
        )


def fill(state: State, numbers: range) -> None:
    for n in numbers:
        labels = Labels.of(alertname=f"A{n}", text="x" * (n % 50))
        alert = Alert(labels, Labels.of(summary="s" * 100), n, n + 1, n, "http://x")
        to = Destination(f"group{n}", "team", "webhook[0]")
        notification = Notification("team", to.group_key, labels, (alert,), n, "http://b", "why", 0, f"k{n}")
        names = frozenset({f"{n:016x}"})
        message = Message(f"m{n}", to, notification, names, frozenset(), names, n, n, n)
        silence = Silence(f"s{n}", (Matcher("a", MatchOp.EQUAL, f"{n}"),), n, n + 9, n, "ann", "c" * (n % 90))

        kind, own = EventKind.FIRING, f"{n:016x}"
        story = [Event(n, kind, own, detail=f"{n} {i}", labels=labels) for i in range(5)]
        for write in (
            partial(store.save_alerts, alerts=[StoredAlert(own, alert)]),
            partial(store.save_log_entry, entry=LogEntry(to, names, frozenset(), n, n)),
            partial(store.save_message, message=message),
            partial(store.save_silence, silence=silence),
            partial(store.add_events, events=story),
        ):
            state._transact(write)


def everything(state: State) -> Rows:
    """Records by table and identity."""

    def read(connection: Any) -> Rows:
        return {
            "alerts": {each.fingerprint: each for each in store.load_alerts(connection)},
            "log": {each.to.group_key: each for each in store.load_log(connection)},
            "outbox": {each.id: each for each in store.load_messages(connection)},
            "silences": {each.id: each for each in store.load_silences(connection)},
            "events": {each.detail: each for each in store.find_events(connection, limit=10_000)},
        }

    return state._transact(read)


def close(state: State) -> None:
    state._engine.dispose()
    state._thread.shutdown()


def build(directory: Path) -> Rows:
    """The last third is only in SQLite's log, as after a kill."""
    whole = directory / "whole"
    state = open_state(directory / "live" / "state.db")
    fill(state, range(ROWS * 2 // 3))
    with state._engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    fill(state, range(ROWS * 2 // 3, ROWS))
    whole.mkdir()
    for path in (directory / "live").iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy(path, whole)
    rows = everything(state)
    close(state)
    return rows


@contextmanager
def damaged(directory: Path, dice: random.Random) -> Iterator[tuple[Path, str]]:
    """A copy with one damage: its database, and what was done."""
    copy = directory / "copy"
    shutil.copytree(directory / "whole", copy)
    path = dice.choice([copy / "state.db"] * 3 + [copy / "state.db-wal"])
    content = bytearray(path.read_bytes())
    place = dice.randrange(len(content))
    how = dice.choice(["flip", "flip", "zero", "cut"])
    if how == "flip":
        content[place] ^= 1 << dice.randrange(8)
    elif how == "zero":
        page = place // 4096 * 4096
        content[page : page + 4096] = bytes(len(content[page : page + 4096]))
    else:
        del content[place:]
    path.write_bytes(content)
    try:
        yield copy / "state.db", f"{how} of {path.name} at {place}"
    finally:
        shutil.rmtree(copy)


def one_case(directory: Path, whole: Rows, dice: random.Random, report: Report) -> None:
    with damaged(directory, dice) as (path, what):
        try:
            state = open_state(path)
            found = everything(state)
        except Exception as error:
            report.faults.append(f"{what}: did not open: {error!r}")
            return
        kept = list(path.parent.glob("quarantine/*/state.db"))
        report.mended += state.damages
        if state.damages and not kept:
            report.faults.append(f"{what}: mended, but what was damaged is not in quarantine")
        lost_here = 0
        for table, own in whole.items():
            missing = own.keys() - found[table].keys()
            strange = [key for key, row in found[table].items() if own.get(key) != row]
            report.lost[table] += len(missing)
            lost_here += len(missing) if table != "events" else 0
            if len(strange) > 1:
                report.faults.append(f"{what}: {len(strange)} strange rows of {table}: {strange[:2]}")
        report.most_lost = max(report.most_lost, lost_here)
        if lost_here and not state.damages and "state.db-wal" not in what:
            report.faults.append(f"{what}: {lost_here} rows lost without a word")
        fill(state, range(1000, 1001))
        if "s1000" not in everything(state)["silences"]:
            report.faults.append(f"{what}: takes no new rows")
        close(state)


def run(cases: int, seed: int) -> Report:
    report = Report(seed)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as root:
        directory = Path(root)
        whole = build(directory)
        for number in range(cases):
            one_case(directory, whole, random.Random(f"{seed}/{number}"), report)
            report.cases += 1
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    report = run(arguments.cases, arguments.seed)
    print("\n".join(report.faults[:20]))
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
