"""The commands of those on call: `backbeat alerts …` and `backbeat silence …`."""

from __future__ import annotations

from typing import Annotated

import typer

alerts_commands = typer.Typer(help="Ask a running Backbeat about alerts.", no_args_is_help=True)
silence_commands = typer.Typer(help="Silences of a running Backbeat.", no_args_is_help=True)

ServerUrl = Annotated[str, typer.Option(help="Where Backbeat is; http://user:password@host signs in.")]
By = Annotated[str, typer.Option(help="Who you are; default: the user of this machine.")]
Matchers = Annotated[list[str], typer.Argument(help='Matchers such as job="web"; all must accept.')]
Match = Annotated[list[str] | None, typer.Option(help="A matcher such as severity=critical.")]
Alerts = Annotated[list[str], typer.Argument(help="Fingerprints, or names of alerts that fire.")]
HERE = "http://127.0.0.1:9090"


@alerts_commands.command()
def history(
    text: Annotated[str, typer.Argument(help="Words to look for.")] = "",
    since: Annotated[str, typer.Option(help="How long ago, or a moment.")] = "24h",
    match: Match = None,
    limit: Annotated[int, typer.Option(help="How many lines at most.")] = 200,
    url: ServerUrl = HERE,
) -> None:
    """What happened to alerts and messages, oldest first."""
    from backbeat.cli.oncall import run_history

    raise typer.Exit(run_history(url, since, match or [], text, limit))


@alerts_commands.command()
def why(
    alert: Annotated[str, typer.Argument(help="A fingerprint, or the name of an alert that fires.")],
    url: ServerUrl = HERE,
) -> None:
    """Every decision about an alert: why was I paged, why was nobody paged."""
    from backbeat.cli.oncall import run_why

    raise typer.Exit(run_why(url, alert))


@alerts_commands.command()
def ack(
    alerts: Alerts,
    by: By = "",
    comment: Annotated[str, typer.Option(help="A word for the others.")] = "",
    url: ServerUrl = HERE,
) -> None:
    """Say that you look after alerts: they are not repeated until they resolve or grow worse."""
    from backbeat.cli.oncall import run_ack

    raise typer.Exit(run_ack(url, alerts, by, comment))


@alerts_commands.command()
def unack(alerts: Alerts, by: By = "", url: ServerUrl = HERE) -> None:
    """Take acknowledgements back."""
    from backbeat.cli.oncall import run_unack

    raise typer.Exit(run_unack(url, alerts, by))


@alerts_commands.command()
def acks(url: ServerUrl = HERE) -> None:
    """Who looks after which alert."""
    from backbeat.cli.oncall import run_acks

    raise typer.Exit(run_acks(url))


@silence_commands.command()
def add(
    matchers: Matchers,
    reason: Annotated[str, typer.Option(help="Why, for those who wonder later.")],
    lasts: Annotated[str, typer.Option("--for", help="How long, such as 2h.")] = "",
    until: Annotated[str, typer.Option(help="Until when: RFC 3339 or seconds.")] = "",
    begins: Annotated[str, typer.Option("--from", help="From when; default: now.")] = "",
    every: Annotated[
        list[str] | None,
        typer.Option(help='Mute in these weekly windows only, such as "saturday 22:00-24:00".'),
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the windows; default: UTC.")] = "",
    by: By = "",
    confirmed: Annotated[bool, typer.Option("--yes", help="It is meant to mute nearly every alert.")] = False,
    url: ServerUrl = HERE,
) -> None:
    """Mute alerts for a while, or again and again."""
    from backbeat.cli.silences import Wanted, run_add

    wanted = Wanted(matchers, reason, by, lasts, until, begins, every or (), zone, confirmed)
    raise typer.Exit(run_add(url, wanted))


@silence_commands.command("list")
def list_(
    match: Match = None,
    expired: Annotated[bool, typer.Option("--expired", help="Those that are over instead.")] = False,
    url: ServerUrl = HERE,
) -> None:
    """Silences that mute, or will."""
    from backbeat.cli.silences import run_list

    raise typer.Exit(run_list(url, match or [], expired=expired))


@silence_commands.command()
def expire(
    ids: Annotated[list[str], typer.Argument(help="Ids, as `list` shows them.")], url: ServerUrl = HERE
) -> None:
    """End silences now."""
    from backbeat.cli.silences import run_expire

    raise typer.Exit(run_expire(url, ids))


@silence_commands.command()
def preview(matchers: Matchers, url: ServerUrl = HERE) -> None:
    """Which firing alerts a silence would mute now."""
    from backbeat.cli.silences import run_preview

    raise typer.Exit(run_preview(url, matchers))
