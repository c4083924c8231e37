"""Whatever a client sends, the real server answers with an error of the client's, and goes on."""

from __future__ import annotations

import gzip
import http.client
import os
import random
import re
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import cramjam
import pytest
from test_server_process import command, free_port, request

CONF = {
    "prometheus.yml": "global: {scrape_interval: 1s}\nrule_files: [rules.yml]\n",
    "rules.yml": "groups:\n  - {name: g, rules: [{alert: A, expr: vector(1)}]}\n",
    "alertmanager.yml": "route: {receiver: r}\nreceivers: [{name: r}]\n",
    "backbeat.yml": "host_collector: false\nenable_admin_api: true\n",
}
NAMES = """
query time start end step timeout limit lookback_delta stats nocache match[] state scrapePool metric type
match_target limit_per_metric rule_name[] rule_group[] file[] exclude_alerts group_limit group_next_token
filter active silenced inhibited unprocessed receiver since until before text skip_head q expr at
"""
PARAMETERS = NAMES.split()
VALUES = [
    *("", "0", "-1", "1e400", "NaN", "Inf", "9" * 400, "-" + "9" * 30, "5m", "1h" * 3000, "true", "maybe"),
    *("2020-01-01T00:00:00Z", "9999-99-99T99:99:99Z", "..", "../../etc/passwd", "\0", "é\ud800", "%zz", "🎵"),
    *("{", "{a=", '{a="b"}', '{a=~"("}', 'a{b=~"(a{1000}){1000}"}', "{} ", "a" * 300 + "=b", "U__zz_zz"),
    *("up", "up[", "((((" * 60, "(" * 5000 + "1" + ")" * 5000, "-" * 20_000 + "1", "rate(up[1y:1ms])"),
    *("x" * 60_000, "<script>alert(1)</script>"),
]
PATH_PIECES = ("x", "..", "%00", "%ff", "U__zz_zz", "U___d800_", "é", "a" * 5000, "_", "", "%2e%2e%2f", "1")
BODIES = [
    *(b"", b"{}", b"[]", b"null", b"[[]]", b"[" * 100_000, b'{"a":' * 50_000, b'"x"', b"1e999"),
    *(b"\xff\xfe", b"\0" * 1000, b"query=%ff%fe", b"query=1&" * 12_000, b'{"id":"../../x"}'),
    *(b'[{"labels":{"a":1}}]', b'[{"labels":null}]', b'[{"labels":{"":"x"}}]', b'[{"labels":{"a":"\xff"}}]'),
    b'[{"labels":{"alertname":"x"},"startsAt":"never"}]',
    b'[{"labels":{"alertname":"' + b"x" * 100_000 + b'"}}]',
    b'{"matchers":[],"startsAt":1,"endsAt":2}',
    b'{"matchers":[{"name":"a","value":"(","isRegex":true}],"startsAt":"2020-01-01T00:00:00Z"}',
    gzip.compress(bytes(1 << 20)),
    bytes(cramjam.snappy.compress_raw(bytes(1000))),
    *(b"\xff\xff\xff\xff\x0f", b"\x0a\xff\xff\xff\xff\x07", b"\x0a\x02" * 10_000),
]
TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "application/x-protobuf",
    "text/plain",
    "",
    "é/;;=",
)
SEED = int(os.environ.get("BACKBEAT_INPUT_SEED", "7"))
REQUESTS = int(os.environ.get("BACKBEAT_INPUT_REQUESTS", "300"))


def routes() -> list[tuple[str, str]]:
    """(method, path) of everything in the documented APIs, placeholders and all."""
    text = "".join(path.read_text() for path in Path("docs").glob("*.md"))
    found = set(re.findall(r"`(/(?:api|-|federate|metrics)[A-Za-z0-9_/{}.-]*)`", text))
    return [(method, path) for path in sorted(found) for method in ("GET", "POST", "PUT", "DELETE")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path, subprocess.Popen[bytes]]]:
    conf, port, log = tmp_path / "conf", free_port(), tmp_path / "log"
    conf.mkdir()
    for name, text in CONF.items():
        (conf / name).write_text(text)
    address = f"127.0.0.1:{port}"
    with log.open("wb") as said:
        process = subprocess.Popen(command(conf, tmp_path / "data", address), stderr=said, stdout=said)
        deadline = time.monotonic() + 60
        while True:
            try:
                if request(port, "GET", "/-/ready")[0] == 200:
                    break
            except OSError:
                pass
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield port, log, process
        process.kill()
        process.wait()


def one_request(dice: random.Random, places: list[tuple[str, str]]) -> tuple[str, str, bytes, dict[str, str]]:
    method, path = dice.choice(places)
    path = re.sub(r"\{[^}]*\}", lambda _: urllib.parse.quote(dice.choice(PATH_PIECES), safe="%"), path)
    chosen = [
        (name, dice.choice(VALUES).encode("utf-8", "surrogatepass"))
        for name in dice.sample(PARAMETERS, dice.randint(0, 6))
    ]
    headers = {"Content-Type": dice.choice(TYPES).encode().decode("latin-1")}
    if dice.random() < 0.3:
        headers["Content-Encoding"] = dice.choice(["gzip", "snappy", "zstd", "nothing", "deflate"])
    if dice.random() < 0.1:
        headers["Authorization"] = dice.choice(["Basic " + "x" * 10_000, "Basic !!", "Bearer \x80"])
    body = dice.choice(BODIES) if method != "GET" else b""
    query = urllib.parse.urlencode(chosen)
    if dice.random() < 0.1:
        query += "&%zz=%ff&;;&a=b=c"
    return method, f"{path}?{query}"[:80_000], body, headers


@pytest.mark.timeout(240)
def test_no_request_is_answered_with_a_fault_of_the_server(
    server: tuple[int, Path, subprocess.Popen[bytes]],
) -> None:
    port, log, process = server
    dice, places = random.Random(SEED), routes()
    assert len(places) > 100
    faults = []
    for number in range(REQUESTS):
        method, path, body, headers = one_request(dice, places)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            status = answer.status
            if "stream" not in path and "live" not in path:
                answer.read()
        except (http.client.HTTPException, OSError) as error:
            faults.append(f"{number} {method} {path[:200]}: {error!r}")
            continue
        finally:
            connection.close()
        if status >= 500 and status not in (501, 503):
            faults.append(f"{number} {method} {path[:200]} {body[:100]!r} {headers}: {status}")
    said = log.read_text()
    assert process.poll() is None
    assert faults == [], said[-3000:]
    assert "Traceback" not in said, said[said.index("Traceback") :][:3000]
    assert request(port, "GET", "/api/v1/query?query=1")[0] == 200
