"""`backbeat storage`, `import` and `export` as their users run them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backbeat.cli import exchange
from backbeat.cli import storage as commands
from backbeat.model.errors import WorldFailure
from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage

NOW_MS = 1_700_000_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three series in a block and two in the log."""
    storage = open_storage(tmp_path / "data" / "samples", StorageOptions(), lambda: NOW_MS)
    for first in (0, 1):
        series = [Labels.of(__name__="m", job="j", n=str(n)) for n in range(first, 3)]
        cohort = storage.cohort(f"scrape {first}")
        columns = cohort.columns(series)
        for at in range(200):
            cohort.append(
                NOW_MS - 900_000 + first * 300_000 + at * 1000, columns, np.arange(len(series)) + at * 1.5
            )
        if not first:
            storage.flush()
    storage.close()
    return tmp_path / "data"


def content_of(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_stats_count_series_of_blocks_and_log(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run_stats(data, 10, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["series"], found["samples_in_blocks"], found["samples_in_memory"]) == (3, 600, 400)
    assert found["metric_names"] == [["m", 3]]
    assert ["n", 3] in found["label_value_counts"]
    commands.run_stats(data, 2, as_json=False)
    shown = capsys.readouterr().out
    assert "1,000 (400 not in a block yet)" in shown
    assert "metrics by series" in shown


def test_verify_finds_nothing_and_changes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content_of(data)
    assert commands.run_verify(data) == 0
    assert content_of(data) == before
    assert "everything is whole" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["chunks", "index", "index-copy", "meta.json", "meta-copy.json", "wal"])
def test_verify_names_damage_and_repair_mends_it(
    data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "wal":
        path = max((data / "samples" / "wal").glob("*"), key=lambda each: each.stat().st_size)
    else:
        (path,) = (data / "samples" / "blocks").glob(f"*/{name}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    before = content_of(data)
    assert commands.run_verify(data) == 1
    told = capsys.readouterr().out
    assert str(path) in told
    assert "backbeat storage repair" in told
    assert content_of(data) == before
    assert commands.run_repair(data) == 0
    assert "quarantine" in capsys.readouterr().out
    assert any((data / "samples" / "quarantine").iterdir())
    assert commands.run_verify(data) == 0


def test_a_held_or_missing_directory_is_one_clear_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(WorldFailure, match="does not exist"):
        commands.run_verify(tmp_path / "elsewhere")
    with pytest.raises(WorldFailure, match="does not exist"):
        exchange.run_export(tmp_path / "elsewhere", tmp_path / "out", "openmetrics", [], 0, 1)
    assert not (tmp_path / "elsewhere").exists()
    held = open_storage(data / "samples", StorageOptions(), lambda: NOW_MS)
    for ask in (
        lambda: commands.run_verify(data),
        lambda: commands.run_stats(data, 1, as_json=False),
        lambda: exchange.run_import([], data),
    ):
        with pytest.raises(WorldFailure, match="in use by process"):
            ask()
    held.close()


def test_a_file_goes_out_and_in(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.om.gz"
    assert exchange.run_export(data, out, "openmetrics", ['m{n="1"}'], -(2**62), 2**62) == 0
    assert "400 samples of 1 series" in capsys.readouterr().out
    assert exchange.run_import([out], tmp_path / "other") == 0
    assert "400 samples stored" in capsys.readouterr().out


def test_export_into_a_directory_that_is_not_there_writes_nothing(data: Path, tmp_path: Path) -> None:
    with pytest.raises(WorldFailure, match="choose another place"):
        exchange.run_export(data, tmp_path / "no" / "out", "openmetrics", [], -(2**62), 2**62)


def test_a_directory_without_samples_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(WorldFailure, match="holds no samples"):
        commands.run_stats(tmp_path, 1, as_json=False)
    assert not list(tmp_path.iterdir())


def test_a_snapshot_is_looked_over_as_it_is(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = open_storage(data / "samples", StorageOptions(), lambda: NOW_MS)
    storage.snapshot(tmp_path / "snapshot")
    storage.close()
    assert commands.run_verify(tmp_path / "snapshot") == 0
    commands.run_stats(tmp_path / "snapshot", 1, as_json=True)
    assert '"series": 3' in capsys.readouterr().out
