"""The state opens, migrates, keeps what it acknowledged, and refuses what it cannot read."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from backbeat.config.schedule import schedule_from
from backbeat.model.alerts import Alert, Notification
from backbeat.model.errors import WorldFailure
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state import SchemaError, State, StateError, open_state, store
from backbeat.state.records import (
    Acknowledgement,
    Destination,
    Event,
    EventKind,
    LogEntry,
    Message,
    MessageState,
    Silence,
    StoredAlert,
)
from backbeat.state.schema import NEWEST_REVISION
from backbeat.state.tables import metadata
from postgres_server import new_database

ALERT = Alert(
    Labels.of(alertname="Slow", path='a"b\\c'), Labels.of(summary="zu langsam ✓"), 1, 2, 3, "http://x"
)
TO = Destination('{}:{alertname="Slow"}', "team", "webhook[0]")
MESSAGE = Message(
    id="m1",
    to=TO,
    notification=Notification(
        "team",
        TO.group_key,
        Labels.of(alertname="Slow"),
        (ALERT,),
        5,
        "http://b",
        "first notification",
        0,
        "key",
    ),
    firing=frozenset({"a", "b"}),
    resolved=frozenset(),
    owed=frozenset({"a"}),
    created_at_ms=5,
    next_attempt_ms=6,
    log_expires_ms=7,
)
SCHEDULE = """[{
    "times": [{"start_time": "00:30", "end_time": "24:00"}], "weekdays": ["sunday", "monday:friday"],
    "days_of_month": ["-3:-1"], "months": ["january:march"], "years": ["2030"], "location": "Asia/Tokyo"
}, {}]"""
SILENCE = Silence(
    "s1",
    (Matcher("a", MatchOp.REGEX, "x|y"),),
    1,
    9,
    1,
    "ann",
    "deploy",
    Labels.of(ticket="1"),
    schedule_from(SCHEDULE),
)
ACKNOWLEDGED = Acknowledgement("f" * 16, ALERT.labels, "ann", "✓", 5)


async def test_everything_written_is_there_after_reopening(target: str) -> None:
    state = open_state(target)
    entry = LogEntry(TO, frozenset({"a"}), frozenset({"b"}), 4, 8, Labels.of(ts="1.5"))
    await state.run(lambda c: store.save_alerts(c, [StoredAlert("f" * 16, ALERT, by_timeout=True)]))
    await state.run(lambda c: store.save_log_entry(c, entry))
    await state.run(lambda c: store.save_message(c, MESSAGE))
    await state.run(lambda c: store.save_silence(c, SILENCE))
    await state.run(lambda c: store.save_acknowledgements(c, [ACKNOWLEDGED]))
    key = await state.run(lambda c: store.signing_key(c, "links"))
    await state.close()
    state = open_state(target)
    assert await state.run(lambda c: store.signing_key(c, "links")) == key
    assert await state.run(lambda c: store.signing_key(c, "others")) != key
    assert await state.run(store.load_acknowledgements) == [ACKNOWLEDGED]
    await state.run(lambda c: store.delete_acknowledgements(c, [ACKNOWLEDGED.fingerprint]))
    assert await state.run(store.load_acknowledgements) == []
    assert await state.run(store.load_alerts) == [StoredAlert("f" * 16, ALERT, by_timeout=True)]
    assert await state.run(store.load_log) == [entry]
    assert await state.run(store.load_messages) == [MESSAGE]
    assert await state.run(store.load_silences) == [SILENCE]
    await state.close()


async def test_an_attempt_changes_its_message_and_deletion_removes_it(target: str) -> None:
    state = open_state(target)
    await state.run(lambda c: store.save_message(c, MESSAGE))
    dead = replace(MESSAGE, attempts=1, state=MessageState.DEAD, last_error="HTTP 404")
    await state.run(lambda c: store.save_attempt(c, dead))
    assert await state.run(store.load_messages) == [dead]
    await state.run(lambda c: store.delete_message(c, "m1"))
    assert await state.run(store.load_messages) == []
    await state.close()


async def test_a_transaction_that_fails_leaves_nothing(target: str) -> None:
    state = open_state(target)

    def half_done(connection) -> None:
        store.save_silence(connection, SILENCE)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await state.run(half_done)
    assert await state.run(store.load_silences) == []
    await state.close()


async def test_events_are_found_by_alert_with_its_groups_and_pruned_by_age_and_number(target: str) -> None:
    state = open_state(target)
    events = [
        Event(1, EventKind.FIRING, "aa"),
        Event(2, EventKind.GROUPED, "aa", "g1", "team"),
        Event(3, EventKind.DECIDED, "", "g1", "team", "webhook[0]", "first notification"),
        Event(4, EventKind.GROUPED, "bb", "g1", "team"),
        Event(5, EventKind.DECIDED, "", "g2", "team"),
    ]
    await state.run(lambda c: store.add_events(c, events))
    keys = await state.run(lambda c: store.groups_of(c, "aa"))
    found = await state.run(lambda c: store.find_events(c, fingerprint="aa", group_keys=keys))
    assert found == events[:3]
    assert await state.run(lambda c: store.find_events(c, since_ms=3, until_ms=5)) == events[2:4]
    await state.run(lambda c: store.prune_events(c, 2, 3))
    assert await state.run(store.find_events) == events[2:]
    await state.close()


async def test_a_database_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state.db")
    await state.run(lambda c: c.exec_driver_sql("PRAGMA query_only=1"))
    with pytest.raises(WorldFailure, match=r"state\.db: the state could not be read or written: .*readonly"):
        await state.run(lambda c: store.save_silence(c, SILENCE))
    await state.close()


async def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, content = tmp_path / "state.db", b"no database" * 1000
    path.write_bytes(content)
    state = open_state(path)
    assert await state.run(store.load_silences) == []
    assert _kept(tmp_path) == [content]
    assert "state.db is damaged (file is not a database): it was moved to" in caplog.text
    assert state.damages == 1
    await state.close()


async def test_a_file_that_is_damaged_under_a_running_server_is_mended_without_a_restart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    state = open_state(path)
    await state.run(lambda c: store.save_silence(c, SILENCE))
    await state.close()
    state = open_state(path)
    root = await state.run(lambda c: _root_page(c, "alert_events"))
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(bytes(4096))
    await state.run(lambda c: store.add_events(c, [Event(1, EventKind.FIRING, "aa")]))
    assert state.damages == 1
    assert await state.run(store.load_silences) == [SILENCE]
    assert await state.run(store.find_events) == [Event(1, EventKind.FIRING, "aa")]
    await state.close()


def _kept(directory: Path) -> list[bytes]:
    return [each.read_bytes() for each in directory.glob("quarantine/state.db-*/state.db")]


def _root_page(connection: Connection, table: str) -> int:
    query = f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'"
    return int(connection.exec_driver_sql(query).scalar_one())


async def test_one_damaged_digit_of_the_schema_is_no_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state = open_state(path)
    await state.run(lambda c: store.save_silence(c, SILENCE))
    await state.run(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    await state.close()
    state = open_state(path)
    assert await state.run(store.load_silences) == [SILENCE]
    await state.close()


async def test_a_schema_newer_than_the_program_is_refused(target: str) -> None:
    state = open_state(target)
    newer = "UPDATE alembic_version SET version_num = '9999'"
    await state.run(lambda c: c.exec_driver_sql(newer))
    if "://" not in target:
        await state.run(lambda c: c.exec_driver_sql("PRAGMA user_version = 9999"))
    await state.close()
    with pytest.raises(SchemaError, match="found schema 9999, expected"):
        open_state(target)


def test_of_several_that_start_at_once_on_one_postgresql_one_has_it(postgres: str) -> None:
    target = new_database(postgres)

    def begin(_: int) -> State | str:
        try:
            return open_state(target)
        except StateError as refused:
            return str(refused)

    with ThreadPoolExecutor(4) as threads:
        begun = list(threads.map(begin, range(4)))
    (state,) = [each for each in begun if isinstance(each, State)]
    for each in begun:
        assert each is state or "another Backbeat (backbeat " in each
    state._engine.dispose()
    open_state(target)._engine.dispose()


async def test_a_second_backbeat_on_a_postgresql_is_refused_and_the_first_is_not_disturbed(
    postgres: str,
) -> None:
    target = new_database(postgres)
    first = open_state(target)
    with pytest.raises(StateError, match=r"another Backbeat \(backbeat \d+ on .*, since .*stop the other"):
        open_state(target)
    await first.run(lambda c: store.save_silence(c, SILENCE))
    other = open_state(new_database(postgres))
    await other.close()
    await first.close()
    second = open_state(target)
    assert await second.run(store.load_silences) == [SILENCE]
    await second.close()


async def test_who_lost_the_database_to_another_says_so_and_goes_on_when_it_is_free(postgres: str) -> None:
    target = new_database(postgres)
    first = open_state(target)
    await first.run(store.load_silences)
    _end_connections(postgres)
    second = open_state(target)
    with pytest.raises(WorldFailure, match="another Backbeat"):
        await first.run(store.load_silences)
    await second.close()
    assert await first.run(store.load_silences) == []
    await first.close()


async def test_a_postgresql_that_closed_its_connections_is_used_again(postgres: str) -> None:
    target = new_database(postgres)
    state = open_state(target)
    await state.run(lambda c: store.save_silence(c, SILENCE))
    _end_connections(postgres)
    assert await state.run(store.load_silences) == [SILENCE]
    await state.close()


def _end_connections(postgres: str) -> None:
    with psycopg.connect(host=postgres, user="backbeat", dbname="postgres") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("postgresql://ann:s3cret@/none?host=/nowhere", r"ann:\*\*\*@.*the state cannot be opened"),
        ("mongodb://x/y", "found a database of kind mongodb, expected sqlite or postgresql"),
    ],
)
def test_a_database_that_cannot_be_had_is_named_without_its_password(target: str, said: str) -> None:
    with pytest.raises(StateError, match=said) as refused:
        open_state(target)
    assert "s3cret" not in str(refused.value)


def test_the_database_is_journalled_ahead_and_synced_at_every_commit(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state.db")
    with state._engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    state._engine.dispose()


def test_the_state_is_for_its_owner_only(tmp_path: Path) -> None:
    _close(tmp_path / "own" / "state.db")
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700


async def test_migrations_lead_to_the_tables_of_the_program(target: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    import backbeat.state.migrations as migrations

    state = open_state(target)
    assert await state.run(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []
    await state.close()
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST_REVISION]


async def test_an_older_state_is_brought_up_to_date_and_keeps_what_it_holds(target: str) -> None:
    state = open_state(target)
    await state.run(lambda c: store.save_silence(c, SILENCE))
    await state.run(_as_of_the_first_schema)
    await state.close()
    state = open_state(target)
    assert await state.run(store.load_silences) == [replace(SILENCE, schedule=())]
    await state.close()


async def test_a_damaged_file_of_an_older_schema_is_read_out_too(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state = open_state(path)
    await state.run(lambda c: store.save_silence(c, SILENCE))
    await state.run(_as_of_the_first_schema)
    await state.close()
    path.write_bytes(path.read_bytes()[:40] + b"damaged!" * 4 + path.read_bytes()[72:])
    state = open_state(path)
    assert (tmp_path / "quarantine").exists()
    assert await state.run(store.load_silences) == [replace(SILENCE, schedule=())]
    await state.close()


def _as_of_the_first_schema(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    import backbeat.state.migrations as migrations

    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.downgrade(config, "0001")


def test_a_start_without_migrations_does_not_load_alembic(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _close(path)
    code = f"import sys; from backbeat.state import open_state; open_state({str(path)!r})"
    code += "; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _close(path: Path) -> None:
    open_state(path)._engine.dispose()
