"""The commands. Each imports what it needs when it runs, so that `check` and `--help` stay quick."""

from __future__ import annotations

import gc
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from backbeat import __version__
from backbeat.cli.oncall_commands import ServerUrl, alerts_commands, silence_commands
from backbeat.model.errors import BackbeatError

app = typer.Typer(
    name="backbeat",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


class Switch(StrEnum):
    """What can be done to a fault of the example service."""

    ON = "on"
    OFF = "off"
    LIST = "list"


class Form(StrEnum):
    """What `export` writes."""

    OPENMETRICS = "openmetrics"
    PARQUET = "parquet"


ConfigDir = Annotated[
    Path, typer.Argument(help="Directory with prometheus.yml, rule files, alertmanager.yml and backbeat.yml.")
]


@app.command()
def serve(
    config_dir: ConfigDir,
    data: Annotated[Path, typer.Option(help="Directory for samples and state.")] = Path("data"),
    listen: Annotated[str, typer.Option(help="HOST:PORT to listen on.")] = "127.0.0.1:9090",
    verbose: Annotated[bool, typer.Option(help="Log every request and decision.")] = False,
) -> None:
    """Collect, store, evaluate, alert and show, until stopped."""
    from backbeat.cli.serve import run_server

    raise typer.Exit(run_server(config_dir, data, listen, verbose=verbose))


@app.command()
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Directories or files; default: this one.")
    ] = None,
) -> None:
    """Validate configuration files and name every mistake with its place."""
    from backbeat.cli.check import check as run_check

    raise typer.Exit(run_check(paths or [Path()]))


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="Where to write the files.")]) -> None:
    """Write the NormalDance profile: scrape, alert, recording and routing files to start from."""
    from backbeat.profile import write_profile

    for path in write_profile(directory):
        typer.echo(f"wrote {path}")
    typer.echo(
        f"next: addresses into alertmanager.yml, its secrets into {directory / 'secrets'} (README.txt there)"
    )
    typer.echo(f"then: backbeat check {directory} && backbeat serve {directory} --data data")


@app.command()
def demo(
    data: Annotated[Path, typer.Option(help="Directory for the demo's files.")] = Path(".backbeat-demo"),
) -> None:
    """Start Backbeat with the example service, its traffic and an inbox; say what to open."""
    import asyncio

    from backbeat.demo.run import run_demo

    asyncio.run(run_demo(data, say=typer.echo))


@app.command()
def chaos(
    name: Annotated[str, typer.Argument(help="A fault, `all`, or `list`.")] = "list",
    switch: Annotated[Switch, typer.Argument(help="What to do with it.")] = Switch.LIST,
    url: Annotated[str, typer.Option(help="Where the example service is.")] = "http://127.0.0.1:9897",
) -> None:
    """Break or repair the example service."""
    from backbeat.demo.chaos import chaos as switch_fault

    for line in switch_fault(name, switch.value, url):
        typer.echo(line)


@app.command("test")
def rule_tests(
    files: Annotated[list[Path], typer.Argument(help="Files of rule tests, in promtool's format.")],
    run: Annotated[
        list[str] | None, typer.Option(help="Run only test groups whose name this expression finds.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML, too.")] = None,
    coverage: Annotated[
        bool,
        typer.Option("--coverage", help="List rules, routes and inhibit rules that no test reaches."),
    ] = False,
) -> None:
    """Run unit tests of rules, and of what people are told."""
    from backbeat.cli.rule_tests import run_tests

    raise typer.Exit(run_tests(files, run or [], junit, shows_coverage=coverage))


@app.command()
def query(
    expr: Annotated[str, typer.Argument(help="PromQL.")],
    url: Annotated[str, typer.Option(help="A running Backbeat or Prometheus.")] = "http://127.0.0.1:9090",
    data: Annotated[
        Path | None, typer.Option(help="Ask this data directory, which no server holds, instead.")
    ] = None,
    at: Annotated[str, typer.Option(help="The moment: now, -1h, RFC 3339 or seconds.")] = "now",
    over: Annotated[str, typer.Option("--range", help="How long before that moment, such as 1h.")] = "",
    step: Annotated[str, typer.Option(help="Between the points of a range, such as 15s.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the samples as CSV.")] = False,
) -> None:
    """Evaluate PromQL: a table; with --range a plot and figures."""
    from backbeat.cli.moments import length_ms, moment_ms
    from backbeat.cli.query import run_query

    code = run_query(
        expr,
        url=url,
        data=data,
        at_ms=moment_ms(at, "--at"),
        range_ms=length_ms(over, "--range") if over else 0,
        step_ms=length_ms(step, "--step") if step else 0,
        form="json" if as_json else "csv" if as_csv else "table",
    )
    raise typer.Exit(code)


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="OpenMetrics files with timestamps, gzipped or not.")],
    data: Annotated[Path, typer.Option(help="Data directory that no server holds.")] = Path("data"),
) -> None:
    """Backfill: put the samples of files into a data directory."""
    from backbeat.cli.exchange import run_import

    raise typer.Exit(run_import(files, data))


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The file to write; .gz compresses OpenMetrics.")],
    data: Annotated[Path, typer.Option(help="Data directory that no server holds.")] = Path("data"),
    match: Annotated[list[str] | None, typer.Option(help="Series to export; default: all.")] = None,
    start: Annotated[str, typer.Option(help="First moment: RFC 3339 or seconds.")] = "",
    end: Annotated[str, typer.Option(help="Last moment: RFC 3339 or seconds.")] = "",
    form: Annotated[Form, typer.Option("--format", help="What to write.")] = Form.OPENMETRICS,
) -> None:
    """Write samples to an OpenMetrics or Parquet file."""
    from backbeat.cli.exchange import run_export
    from backbeat.cli.moments import moment_ms

    start_ms = moment_ms(start, "--start") if start else -(2**62)
    end_ms = moment_ms(end, "--end") if end else 2**62
    raise typer.Exit(run_export(data, out, form.value, match or [], start_ms, end_ms))


storage_commands = typer.Typer(help="Look over a data directory that no server holds.", no_args_is_help=True)
app.add_typer(storage_commands, name="storage")
DataDir = Annotated[Path, typer.Option(help="Data directory that no server holds.")]


@storage_commands.command()
def stats(
    data: DataDir = Path("data"),
    limit: Annotated[int, typer.Option(help="Rows of each table.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Series, samples, bytes a sample, and which names and values the series are many of."""
    from backbeat.cli.storage import run_stats

    raise typer.Exit(run_stats(data, limit, as_json=as_json))


@storage_commands.command()
def verify(data: DataDir = Path("data")) -> None:
    """Check every checksum and change nothing; exit code 1 where something is damaged."""
    from backbeat.cli.storage import run_verify

    raise typer.Exit(run_verify(data))


@storage_commands.command()
def repair(data: DataDir = Path("data")) -> None:
    """Put damaged bytes into quarantine and write the rest anew."""
    from backbeat.cli.storage import run_repair

    raise typer.Exit(run_repair(data))


app.add_typer(alerts_commands, name="alerts")
app.add_typer(silence_commands, name="silence")


@app.command()
def route(
    labels: Annotated[list[str], typer.Argument(help="Labels such as severity=critical.")],
    url: ServerUrl = "http://127.0.0.1:9090",
) -> None:
    """Which way an alert with these labels would take now, and what would keep it quiet."""
    from backbeat.cli.oncall import run_route

    raise typer.Exit(run_route(url, labels))


@app.command()
def notify(
    receiver: Annotated[str, typer.Argument(help="A receiver of alertmanager.yml.")],
    url: ServerUrl = "http://127.0.0.1:9090",
) -> None:
    """Send a marked test message to a receiver, and show what it answered."""
    from backbeat.cli.oncall import run_notify

    raise typer.Exit(run_notify(url, receiver))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"backbeat {__version__}")


@app.callback()
def backbeat() -> None:
    """Performance monitoring and alerting in one process."""


def _leave_others_out(asked: str) -> None:
    """Only the command that is asked for: reading the options of all takes a tenth of the time of `check`."""
    own = [
        each
        for each in app.registered_commands
        if asked == (each.name or getattr(each.callback, "__name__", ""))
    ]
    if own:
        app.registered_commands, app.registered_groups = own, []


def main() -> None:
    """Run a command; a mistake of the operator or the world is one clear line and exit code 1."""
    # Loading modules makes many objects that stay; looking for garbage among them takes a tenth of the start.
    gc.set_threshold(100_000, 20, 100)
    _leave_others_out(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        app()
    except BackbeatError as error:
        print(f"backbeat: {error}", file=sys.stderr)
        sys.exit(1)
