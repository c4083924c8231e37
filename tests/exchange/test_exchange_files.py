"""Samples out to files and in again: nothing is lost, mistakes are named, other tools read them."""

from __future__ import annotations

import gzip
import math
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backbeat.exchange.exporting import Selected, export
from backbeat.exchange.importing import Imported, import_file, open_for_import
from backbeat.exchange.openmetrics import FileMistake, read
from backbeat.model.labels import Labels
from backbeat.model.samples import STALE
from backbeat.promql.parser import parse_selector
from backbeat.storage import Storage, StorageOptions, open_storage

NOW_MS = 1_700_000_000_000
ALWAYS = Selected([()], -(2**62), 2**62)
Samples = dict[tuple[Labels, int], float]


@contextmanager
def opened(directory: Path) -> Iterator[Storage]:
    storage = open_for_import(directory, lambda: NOW_MS)
    yield storage
    storage.close()


def import_text(directory: Path, text: str, name: str = "in.om") -> Imported:
    path = directory / name
    path.write_text(text)
    with opened(directory / "data") as storage:
        return import_file(storage, path, lambda done: None)


def samples_of(storage: Storage) -> Samples:
    found: Samples = {}
    for block in storage.select((), -(2**62), 2**62):
        for row, labels in enumerate(block.labels):
            there = np.ones(len(block.times), bool) if block.present is None else block.present[row]
            for at, value in zip(block.times[there].tolist(), block.values[row][there].tolist(), strict=True):
                found[labels, at] = value
    return found


def bits(samples: Samples) -> dict[tuple[Labels, int], bytes]:
    """NaN is one value here: a text file knows no payloads."""
    return {at: struct.pack("<d", math.nan if value != value else value) for at, value in samples.items()}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
names = st.one_of(st.sampled_from(["up", "http_requests_total", "a:b"]), texts)
labels = st.builds(
    lambda name, pairs: Labels.of({**pairs, "__name__": name}),
    names,
    st.dictionaries(texts.filter(lambda name: name != "__name__"), texts, max_size=3),
)
values = st.one_of(
    st.floats(allow_nan=True), st.sampled_from([0.0, -0.0, 1e300, 5e-324, math.inf, -math.inf])
)
moments = st.integers(-(10**12), NOW_MS)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.tuples(labels, moments), values, max_size=40))
def test_what_is_exported_and_imported_is_the_same(samples: Samples) -> None:
    with TemporaryDirectory() as place:
        directory = Path(place)
        with opened(directory / "one") as storage:
            if samples:
                keys = list(samples)
                storage.append_samples(
                    [series for series, _ in keys],
                    np.array([at for _, at in keys], np.int64),
                    np.array(list(samples.values())),
                )
            export(storage, ALWAYS, directory / "out.om", "openmetrics", lambda name: None)
        with opened(directory / "two") as storage:
            import_file(storage, directory / "out.om", lambda done: None)
            assert bits(samples_of(storage)) == bits(samples)


def test_a_second_import_changes_nothing(tmp_path: Path) -> None:
    text = '# TYPE a counter\na_total{b="c"} 1 1600000000\na_total{b="c"} 2.5 1600000060.5\n# EOF\n'
    assert import_text(tmp_path, text).stored == 2
    again = import_text(tmp_path, text)
    assert (again.stored, again.duplicate) == (0, 2)
    changed = import_text(tmp_path, text.replace("2.5", "3"))
    assert (changed.stored, changed.duplicate, changed.conflicting) == (0, 1, 1)
    with opened(tmp_path / "data") as storage:
        series = Labels.of(__name__="a_total", b="c")
        assert samples_of(storage) == {(series, 1600000000000): 1.0, (series, 1600000060500): 2.5}


def test_a_gzipped_file_of_many_days_becomes_a_block_a_day_and_survives_a_server(tmp_path: Path) -> None:
    days = 5
    lines = [f'm{{n="{n}"}} {at} {1_690_000_000 + at * 3600}' for n in range(3) for at in range(24 * days)]
    (tmp_path / "in.om.gz").write_bytes(gzip.compress(("\n".join(lines) + "\n# EOF\n").encode()))
    with opened(tmp_path / "data") as storage:
        import_file(storage, tmp_path / "in.om.gz", lambda done: None)
        assert days <= storage.stats().blocks <= days + 1
    # Retention counts back from the newest sample, so old data stays though the clock is far ahead.
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: NOW_MS)
    storage.maintain()
    assert len(samples_of(storage)) == 3 * 24 * days
    storage.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a 1 1\nb 2\n# EOF\n", "in.om:2: the sample has no timestamp", id="no timestamp"),
        pytest.param("a 1 1\nb x 2\n# EOF\n", "in.om:2: ", id="no number"),
        pytest.param("a 1 1\n", "in.om:1: the file ends without # EOF", id="cut short"),
        pytest.param("", "in.om:1: the file ends without # EOF", id="empty"),
        pytest.param("a 1 1\n# EOF\nb 1 1\n", "in.om:3: found a line after # EOF", id="after the end"),
        pytest.param("# EOF\n# HELP a b\n", "in.om:2: found a line after # EOF", id="comment after the end"),
        pytest.param('a{b="c} 1 1\n# EOF\n', "in.om:1: ", id="open quote"),
        pytest.param("a 1 1e400\n# EOF\n", "in.om:1: ", id="a time beyond all times"),
    ],
)
def test_a_mistake_names_its_line_and_keeps_what_came_before(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(FileMistake) as caught:
        import_text(tmp_path, text)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 500


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_a_mistake(content: bytes) -> None:
    with suppress(FileMistake):
        list(read("x", content.splitlines(keepends=True)))


def test_a_selector_and_a_range_choose_what_is_exported(tmp_path: Path) -> None:
    import_text(tmp_path, "a 1 100\na 2 200\na 3 300\nb 4 200\n# EOF\n")
    with opened(tmp_path / "data") as storage:
        chosen = Selected(
            [tuple(parse_selector("a")), tuple(parse_selector('{__name__=~"a|x"}'))], 150_000, 250_000
        )
        done = export(storage, chosen, tmp_path / "out.om", "openmetrics", lambda name: None)
    assert (done.series, done.samples) == (1, 1)
    assert (tmp_path / "out.om").read_text() == "a 2.0 200\n# EOF\n"


def test_stale_markers_end_no_file(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as storage:
        storage.append_samples([Labels.of(__name__="a")] * 2, np.array([1000, 2000]), np.array([1.0, STALE]))
        done = export(storage, ALWAYS, tmp_path / "out.om", "openmetrics", lambda name: None)
    assert done.samples == 1
    assert (tmp_path / "out.om").read_text() == "a 1.0 1\n# EOF\n"


def test_duckdb_and_pandas_read_the_parquet_file(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    pandas = pytest.importorskip("pandas")
    import_text(
        tmp_path,
        'http_requests_total{route="/a",job="x"} 1 100\nhttp_requests_total{route="/a",job="x"} 5 160\n'
        'http_requests_total{route="/b",job="x"} 2 100\nup{job="x",value="v"} 1 100.25\n# EOF\n',
    )
    out = tmp_path / "out.parquet"
    with opened(tmp_path / "data") as storage:
        done = export(storage, ALWAYS, out, "parquet", lambda name: None)
    assert (done.series, done.samples) == (3, 4)
    found = duckdb.sql(
        f"SELECT route, max(value) FROM '{out}' WHERE metric = 'http_requests_total' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert found == [("/a", 5.0), ("/b", 2.0)]
    frame = pandas.read_parquet(out)
    assert list(frame.columns) == ["metric", "timestamp", "value", "job", "route", "label_value"]
    only = frame[frame.metric == "up"].iloc[0]
    assert only.timestamp == pandas.Timestamp(100_250, unit="ms", tz="UTC")
    assert only.label_value == "v"
    assert pandas.isna(only.route)


@pytest.mark.peer
def test_promtool_makes_blocks_of_an_exported_file(tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    lines = [
        f'm_total{{n="{n}",text="a\\\\b\\"c\\n"}} {at} {1_690_000_000 + at * 60}'
        for n in range(3)
        for at in range(9)
    ]
    import_text(tmp_path, "\n".join(lines) + "\n# EOF\n")
    with opened(tmp_path / "data") as storage:
        export(storage, ALWAYS, tmp_path / "out.om", "openmetrics", lambda name: None)
    told = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", tmp_path / "out.om", tmp_path / "blocks"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(list((tmp_path / "blocks").iterdir())) == 1


def test_remote_samples_of_any_age_enter_an_empty_store(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "data", replace(StorageOptions()), lambda: NOW_MS)
    series = [Labels.of(__name__="a"), Labels.of(__name__="b")]
    assert storage.append_samples(series, np.array([0, 86_400_000]), np.ones(2)).stored == 2
    storage.maintain()
    assert {at for _, at in samples_of(storage)} == {0, 86_400_000}
    storage.close()
