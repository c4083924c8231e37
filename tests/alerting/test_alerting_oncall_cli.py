"""`backbeat alerts ack` and `backbeat silence` against a server that listens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import uvicorn
from alert_story import HOUR, START, Inbox, Story, config
from typer.testing import CliRunner

from backbeat.cli import app
from backbeat.cli.silences import WrongWindow, window
from backbeat.config.alertmanager import Route
from backbeat.config.web import WebConfig
from backbeat.web.acknowledge_api import AcknowledgeAPI
from backbeat.web.app import build_app
from backbeat.web.oncall_api import OnCallAPI
from backbeat.web.silences_api import SilencesAPI

PASSWORDS = WebConfig(users=(("ann", bcrypt.hashpw(b"p:w/d", bcrypt.gensalt(4)).decode()),))
Run = Callable[..., Any]


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    settings = config(Route("team", group_by=("alertname",), repeat_interval_ms=HOUR))
    async with Story(tmp_path / "state.db", settings, {"team": [Inbox()]}) as story:
        yield story


@pytest.fixture
async def run(story: Story) -> AsyncIterator[Run]:
    """Runs a command as a user who signs in; gives its exit code and what it printed."""

    def now() -> int:
        return story.now_ms

    routes = [
        *OnCallAPI(story.alerting, now).routes(),
        *AcknowledgeAPI(story.alerting).routes(),
        *SilencesAPI(story.alerting, now).routes(),
    ]
    guard = build_app(routes, hosts=[], web=PASSWORDS, check_host=True)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(guard, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"http://ann:p%3Aw%2Fd@127.0.0.1:{listener.getsockname()[1]}"

    async def run(*command: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, app, [*command, "--url", url])
        said = str(result.exception) if result.exception and not result.output else result.output
        return result.exit_code, said

    yield run
    server.should_exit = True
    await serving


async def test_alerts_are_acknowledged_and_taken_back(story: Story, run: Run) -> None:
    slow = story.alert("Slow", job="web")
    await story.fire(slow)
    line = f'{slow.fingerprint}  {{alertname="Slow", job="web"}}  '
    code, made = await run("alerts", "ack", "Slow", "--comment", "on it")
    assert (code, made.startswith(line + "acknowledged by ann at "), "on it" in made) == (0, True, True)
    assert (await run("alerts", "acks"))[1] == made
    said = (await run("alerts", "why", "Slow"))[1]
    assert "  now: firing, acknowledged by ann\n    team by webhook: not told yet\n" in said
    assert await run("alerts", "unack", slow.fingerprint, "--by", "bob") == (
        0,
        line + "no longer acknowledged\n",
    )
    assert await run("alerts", "unack", "Slow") == (1, "Slow: not acknowledged\n")
    assert await run("alerts", "acks") == (0, "no alert is acknowledged\n")
    code, said = await run("alerts", "ack", "Nope")
    assert (code, "HTTP 404: no alert that fires is meant" in said, "p%3A" in said) == (1, True, False)


async def test_silences_are_tried_made_listed_and_ended(story: Story, run: Run) -> None:
    await story.fire(story.alert("Slow"))
    _, said = await run("silence", "preview", "alertname=Slow")
    assert said.startswith("it would mute 1 firing alert\n")
    code, said = await run("silence", "add", "alertname=Slow", "--reason", "new disks", "--for", "2h")
    assert (code, "it accepts 1 firing alert" in said) == (0, True)
    (made,) = story.alerting.silences()
    assert (made.ends_at_ms, made.created_by, made.comment) == (START + 2 * HOUR, "ann", "new disks")
    _, said = await run("silence", "list")
    assert said == (
        f'{made.id}  active   2025-10-09T08:53:20.000Z to 2025-10-09T10:53:20.000Z  {{alertname="Slow"}}'
        "  ann: new disks\n"
    )
    assert await run("silence", "expire", made.id) == (0, f"{made.id} expired\n")
    assert (await run("silence", "list"))[1] == "nothing is silenced\n"
    assert made.id in (await run("silence", "list", "--expired"))[1]
    code, said = await run("silence", "add", "a=b", "--reason", "x", "--for", "1h", "--every", "someday")
    assert (code, "schedule[0].weekdays[0]: found 'someday', expected a weekday" in said) == (1, True)
    code, said = await run("silence", "add", "a=b", "--reason", "x")
    assert (code, "expected either --for" in said) == (1, True)


async def test_a_silence_recurs_in_its_weekly_windows(story: Story, run: Run) -> None:
    every = ("--every", "saturday,sunday 22:00-24:00", "--zone", "Europe/Berlin")
    code, said = await run("silence", "add", "job=x", "--reason", "backup", "--for", "30d", *every)
    assert (code, "pending" in said, '"weekdays": ["saturday", "sunday"]' in said) == (0, True, True)
    assert story.alerting.silences()[0].schedule[0].location == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("saturday", {"weekdays": ["saturday"]}),
        ("monday:friday,sunday", {"weekdays": ["monday:friday", "sunday"]}),
        (
            "sunday 01:00-02:00 03:00-04:00",
            {
                "weekdays": ["sunday"],
                "times": [
                    {"start_time": "01:00", "end_time": "02:00"},
                    {"start_time": "03:00", "end_time": "04:00"},
                ],
            },
        ),
        ("22:00-24:00", {"times": [{"start_time": "22:00", "end_time": "24:00"}]}),
    ],
)
def test_weekly_windows_in_words(text: str, found: dict[str, Any]) -> None:
    assert window(text, "") == found


@pytest.mark.parametrize("text", ["", "9-17", "saturday sunday", "1:00-2:00"])
def test_what_is_no_window_says_so(text: str) -> None:
    with pytest.raises(WrongWindow, match=r"--every: found .*, expected weekdays and times"):
        window(text, "")
