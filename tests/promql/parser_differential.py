"""The parser beside a real prometheus of version 3: what it refuses and why, how it prints, its tree as JSON.

    BACKBEAT_PROMETHEUS=/path/to/prometheus python tests/promql/parser_differential.py --texts 20000

Texts are random queries with random damage. It prints every difference and counts them.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from differential import Difference
from prometheus_peer import NEWEST_FEATURES, Peer, prometheus
from random_queries import RandomQueries

from backbeat.model.results import BadQuery
from backbeat.promql.parser import parse
from backbeat.promql.printer import pretty
from backbeat.promql.tree_json import to_json

_OF_GROUPS = re.compile(r'invalid label name for grouping: ".*:')
_QUOTED_NAME = re.compile(r'"([^\W\d][\w.]*)"(?=!?[=~]|[,)])')
_PIECES = (
    *(
        "sum",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "bool",
        "offset",
        "@",
        "start()",
    ),
    *("end()", "step()", "range()", "max_of(1m,2m)", "fill(1)", "fill_left(2)", "fill_right(-1)", "anchored"),
    *(
        "smoothed",
        "rate(",
        "info(",
        "topk(2,",
        "and",
        "or",
        "unless",
        "atan2",
        "inf",
        "nan",
        "foo",
        "a:b",
        ":x",
    ),
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "=",
        "==",
        "=~",
        "!~",
        "!=",
        "<",
        ">",
        "</",
        ">/",
        "+",
        "-",
        "*",
    ),
    *(
        "/",
        "%",
        "^",
        "5m",
        "1h30m",
        "0x1f",
        "1_0",
        "1e5",
        ".5",
        "5.",
        "1e",
        "0b1",
        "08",
        "1d2h",
        "1ms",
        "1y1w",
    ),
    *(
        '"x"',
        "'y'",
        "`z`",
        '"\\x41"',
        '"\\xff"',
        '"\\u00e9"',
        '"\\',
        "é",
        "#",
        "\n",
        "\t",
        " ",
        "__name__",
        "9" * 20,
    ),
    *("[5m]", "[5m:1m]", "[5m:]", "[1m+2m]", "[-1m]", "[0s]", "offset 5m", "offset -5m", "offset step()"),
    *('{"a"}', '{"a","b"}', '{a="b",}', "{,}", "{}", '{__name__="x"}', "@ 5", "@ -1.5", "@ 1e3", "@ Inf"),
    *("offset (1m+2m)", "offset -(1m)", "offset 1m+2m", "-2^2", "+ -1", "1 - -1", "min_of(1, 2)", "5m * 2"),
    *("sum(a) by (b)", "count_values('x', a)", "limit_ratio(0.5, a)", "label_replace(a,'b','c','d','e')"),
)


def damaged(chance: random.Random) -> str:
    """A query, or what is left of one."""
    text = RandomQueries(chance, True, 1_700_000_000).query()
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        at = chance.randint(0, len(text))
        kind = chance.random()
        if kind < 0.35:
            text = text[:at] + chance.choice(_PIECES) + text[at:]
        elif kind < 0.55:
            text = text[:at] + " " + chance.choice(_PIECES) + " " + text[at:]
        elif kind < 0.8:
            text = text[:at] + text[at + chance.randint(1, 4) :]
        elif kind < 0.9:
            text = text[:at]
        else:
            other = chance.randint(0, len(text))
            text = text[:at] + text[min(at, other) : max(at, other)] + text[at:]
    return text


def compare(peer: Peer, text: str) -> Difference | None:
    theirs = peer.ask("/api/v1/format_query", query=text)
    if _OF_GROUPS.search(theirs.get("error", "")):
        return None  # with unquoted UTF-8 names on, Prometheus takes no colon there any more
    try:
        tree = parse(text)
    except BadQuery as error:
        if theirs["status"] == "success":
            return Difference("only we refuse", str(error))
        ours, other = _first_line(str(error)), _first_line(theirs["error"])
        return None if ours == other else Difference("error text", f"{ours}\n    theirs: {other}")
    if theirs["status"] != "success":
        return Difference("only they refuse", theirs["error"])
    if _bare(pretty(tree)) != _bare(theirs["data"]):
        return Difference("printed", f"{pretty(tree)}\n    theirs: {theirs['data']}")
    try:
        other = peer.ask("/api/v1/parse_query", query=text)["data"]
    except json.JSONDecodeError:
        return None  # a NaN to be filled in cannot be said in JSON, and Prometheus has no answer
    ours = to_json(tree)
    return (
        None if ours == other else Difference("JSON", f"{json.dumps(ours)}\n    theirs: {json.dumps(other)}")
    )


def _bare(printed: str) -> str:
    """With no quotes around names of letters and dots, which Prometheus leaves away and Backbeat does not."""
    return _QUOTED_NAME.sub(r"\1", printed)


def _first_line(error: str) -> str:
    """Of a regular expression only that it is wrong: the libraries have their own words."""
    text = error.removeprefix('invalid parameter "query": ').split("\n")[0]
    if "regular expression" in text or "error parsing regexp" in text:
        return text.split(": ")[0] + ": regular expression"
    return text


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Compare parsers.")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10, help="differences shown of each kind")
    options = parser.parse_args(arguments)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, prometheus(Path(folder), NEWEST_FEATURES) as peer:
        for number in range(options.texts):
            text = damaged(random.Random(f"{options.seed}/{number}"))
            difference = compare(peer, text)
            if difference is None:
                continue
            found[difference.kind] += 1
            if found[difference.kind] <= options.show:
                print(f"[{number}] {difference.kind}: {text!r}\n    {difference.detail}")
    print(f"{options.texts} texts compared, {sum(found.values())} differences: {dict(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
