"""Who gets an alert: the tree, its keys, and the same answers as amtool."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from alert_story import equal

from backbeat.alerting import routing
from backbeat.alerting.matching import MatcherIndex, accepts_all
from backbeat.config.alertmanager import Route
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp

TREE = Route(
    "root",
    routes=(
        Route(
            "a",
            equal(owner="team-A"),
            routes=(
                Route("a-test", (Matcher("env", MatchOp.REGEX, "testing|staging"),)),
                Route("a-prod", equal(env="production"), continue_=True),
                Route("a-all", (Matcher("env", MatchOp.REGEX, "produ.*"),), continue_=True),
            ),
        ),
        Route("b", (Matcher("owner", MatchOp.REGEX, "team-(B|C)"),)),
        Route("none", (Matcher("owner", MatchOp.EQUAL, ""),)),
    ),
)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        pytest.param({"owner": "team-A"}, ["a"], id="no child matches: the parent itself"),
        pytest.param({"owner": "team-A", "env": "unset"}, ["a"], id="an unknown value"),
        pytest.param({"owner": "team-A", "env": "testing"}, ["a-test"], id="the first child, no continue"),
        pytest.param({"owner": "team-A", "env": "production"}, ["a-prod", "a-all"], id="continue"),
        pytest.param({"owner": "team-BC"}, ["root"], id="patterns are anchored"),
        pytest.param({"owner": "team-C"}, ["b"], id="a pattern"),
        pytest.param({"x": "y"}, ["none"], id="an absent label is empty"),
    ],
)
def test_an_alert_goes_to_the_deepest_routes_that_match(labels: dict[str, str], receivers: list[str]) -> None:
    assert [route.receiver for route in routing.match(TREE, Labels.of(labels))] == receivers


def test_group_keys_are_written_as_alertmanager_does() -> None:
    route = Route(
        "root",
        group_by=("alertname",),
        routes=(
            Route(
                "x",
                (Matcher("severity", MatchOp.EQUAL, "critical"), Matcher("job", MatchOp.NOT_REGEX, 'a"b|c')),
                group_by_all=True,
            ),
        ),
    )
    root = routing.plant(route)
    [child] = root.children
    labels = Labels.of(alertname="X", path="a\\b")
    assert routing.group_key(root, routing.group_labels(route, labels)) == '{}:{alertname="X"}'
    assert routing.group_key(child, routing.group_labels(child.route, labels)) == (
        r'{}/{job!~"a\"b|c",severity="critical"}:{alertname="X", path="a\\b"}'
    )


def test_the_index_finds_what_asking_every_matcher_finds() -> None:
    dice = random.Random(1)
    for _ in range(200):
        items = [(number, _some_matchers(dice)) for number in range(dice.randrange(12))]
        index = MatcherIndex(items)
        labels = {name: dice.choice("xyz") for name in "abc" if dice.random() < 0.7}
        assert index.accepting(labels) == [item for item, own in items if accepts_all(own, labels)]


def _some_matchers(dice: random.Random) -> list[Matcher]:
    return [
        Matcher(dice.choice("abc"), dice.choice(list(MatchOp)), dice.choice(["x", "y", "z", ""]))
        for _ in range(dice.randrange(3))
    ]


@pytest.mark.peer
def test_amtool_routes_the_same_way(tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is not installed")
    dice = random.Random(2)
    tree = _some_tree(dice)
    path = tmp_path / "alertmanager.yml"
    path.write_text(_yaml(tree))
    for _ in range(40):
        labels = {name: dice.choice("xyz") for name in "abc" if dice.random() < 0.8}
        command = [amtool, "config", "routes", "test", f"--config.file={path}"]
        command += [f"{name}={value}" for name, value in labels.items()]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        ours = [route.receiver for route in routing.match(tree, Labels.of(labels))]
        assert ours == told.split(","), labels


def _some_tree(dice: random.Random, depth: int = 0, name: str = "r") -> Route:
    children = tuple(
        _some_tree(dice, depth + 1, f"{name}{number}")
        for number in range(dice.randrange(1, 5) if depth < 3 else 0)
    )
    matchers = tuple(_some_matchers(dice)) if depth else ()
    return Route(name, matchers, continue_=depth > 0 and dice.random() < 0.4, routes=children)


def _yaml(tree: Route) -> str:
    names: list[str] = []

    def node(route: Route, indent: str) -> list[str]:
        names.append(route.receiver)
        lines = [f"receiver: {route.receiver}"]
        if route.matchers:
            lines.append("matchers: [" + ", ".join(f"'{m}'" for m in route.matchers) + "]")
        if route.continue_:
            lines.append("continue: true")
        if route.routes:
            lines.append("routes:")
        text = [indent + line for line in lines]
        for child in route.routes:
            below = node(child, indent + "  ")
            text += [indent + "- " + below[0].strip(), *below[1:]]
        return text

    body = "\n".join(node(tree, "  "))
    return "route:\n" + body + "\nreceivers:\n" + "\n".join(f"- name: {name}" for name in names) + "\n"
