"""What the sections of alertmanager.yml say together, and the typed value of a file without mistakes.

In:  the section of alertmanager.yml.
Out: findings on receivers and intervals that do not exist, and on what neither an integration nor `global`
     says; `AlertmanagerConfig`, every route with what it inherits, every integration with its global values.
"""

from __future__ import annotations

from collections.abc import Callable
from glob import glob
from pathlib import Path

from msgspec.structs import replace

from backbeat.config.alertmanager import AlertmanagerConfig, InhibitRule, Receiver, Route
from backbeat.config.alertmanager_fields import matchers
from backbeat.config.findings import nearest_names
from backbeat.config.integrations import integrations
from backbeat.config.nodes import is_null
from backbeat.config.receiver_fields import DEFAULT_SLACK_APP_URL, RECEIVERS
from backbeat.config.schema import Section, duplicates, quoted
from backbeat.config.time_intervals import time_interval

# What an integration needs from its own section or `global`: (own fields, fields of global, what is missing).
_NEEDS: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...]] = {
    "email_configs": (
        (("smarthost",), ("smtp_smarthost",), "no global SMTP smarthost set"),
        (("from",), ("smtp_from",), "no global SMTP from set"),
    ),
    "slack_configs": (
        (
            ("api_url", "api_url_file", "app_token", "app_token_file"),
            ("slack_api_url", "slack_api_url_file", "slack_app_token", "slack_app_token_file"),
            "no Slack API URL nor App token set either inline or in a file",
        ),
    ),
    "opsgenie_configs": (
        (
            ("api_key", "api_key_file"),
            ("opsgenie_api_key", "opsgenie_api_key_file"),
            "no global OpsGenie API Key set either inline or in a file",
        ),
    ),
    "wechat_configs": (
        (
            ("api_secret", "api_secret_file"),
            ("wechat_api_secret", "wechat_api_secret_file"),
            "no global Wechat Api Secret set either inline or in a file",
        ),
        (("corp_id",), ("wechat_api_corp_id",), "no global Wechat CorpID set"),
    ),
    "victorops_configs": (
        (
            ("api_key", "api_key_file"),
            ("victorops_api_key", "victorops_api_key_file"),
            "no global VictorOps API Key set",
        ),
    ),
    "telegram_configs": (
        (
            ("bot_token", "bot_token_file"),
            ("telegram_bot_token", "telegram_bot_token_file"),
            "missing bot_token or bot_token_file on telegram_config",
        ),
    ),
    "jira_configs": ((("api_url",), ("jira_api_url",), "no global Jira Cloud URL set"),),
    "rocketchat_configs": (
        (
            ("token_id", "token_id_file"),
            ("rocketchat_token_id", "rocketchat_token_id_file"),
            "no global Rocketchat TokenID set either inline or in a file",
        ),
        (
            ("token", "token_file"),
            ("rocketchat_token", "rocketchat_token_file"),
            "no global Rocketchat Token set either inline or in a file",
        ),
    ),
    "mattermost_configs": (
        (
            ("webhook_url", "webhook_url_file"),
            ("mattermost_webhook_url", "mattermost_webhook_url_file"),
            "missing webhook_url or webhook_url_file on mattermost_config",
        ),
    ),
}


def check_alertmanager(section: Section) -> None:
    """Everything that needs more than one section of the file."""
    receivers = section.sections("receivers")
    for name, first, later in duplicates((each.get("name", ""), each) for each in receivers):
        later.error(
            "name", f"notification config name {quoted(name)} is not unique; first on line {first.node.line}"
        )
    for receiver in receivers:
        for kind in RECEIVERS:
            _check_integrations(receiver, kind, section.get("global"))
    names = {each.get("name", "") for each in receivers}
    intervals = _check_interval_names(section)
    route = section.get("route")
    if route is None:
        if "route" not in section.broken:
            section.error(
                "route", "no route provided in config: no routes provided; expected `route` with a `receiver`"
            )
    else:
        _check_root(route)
        _check_route(route, names, intervals)
    if section.has("tracing"):
        section.warn("tracing", "tracing is read but not supported: no traces are sent")
    if section.has("event_recorder"):
        section.warn("event_recorder", "event_recorder is read but not supported: events are not recorded")


def _check_integrations(receiver: Section, kind: str, shared: Section | None) -> None:
    items = receiver.get(kind) or ()
    nodes = receiver.item_nodes(kind)
    for index, node in enumerate(nodes):
        item = items[index] if index < len(items) else None
        if item is None and not is_null(node):
            continue  # it could not be read, and that is already told
        for own, inherited, message in _NEEDS.get(kind, ()):
            if item is not None and any(item.has(name) for name in own):
                continue
            if shared is not None and any(shared.has(name) for name in inherited):
                continue
            path = f"{receiver.field(kind)}[{index}]"
            if item is not None or kind in (
                "slack_configs",
                "opsgenie_configs",
                "wechat_configs",
                "rocketchat_configs",
            ):
                receiver.reading.error(
                    node, path, f"{message}; expected {' or '.join(own)}, or {inherited[0]} under `global`"
                )
        if kind == "slack_configs" and item is not None:
            _check_slack_login(item, shared)


def _check_slack_login(item: Section, shared: Section | None) -> None:
    token = item.has("app_token") or item.has("app_token_file")
    http = item.get("http_config")
    logs_in = http is not None and http.get("authorization") is not None
    if token and logs_in:
        item.error("http_config", "http authorization can't be set when using Slack App tokens")
    if token:
        return
    api_url = item.get("api_url")
    if not api_url and shared is not None:
        if not logs_in and (shared.has("slack_app_token") or shared.has("slack_app_token_file")):
            return
        api_url = shared.get("slack_api_url")
    if api_url and api_url.reveal() == DEFAULT_SLACK_APP_URL:
        return
    for name in ("update_message", "post_updates_to_thread"):
        if item.has(name):
            item.error(
                name,
                f"{name} can only be used with bot tokens; set app_token, or api_url to "
                f"{DEFAULT_SLACK_APP_URL} beside http_config.authorization",
            )


def _check_interval_names(section: Section) -> set[str]:
    named = [*section.sections("mute_time_intervals"), *section.sections("time_intervals")]
    for name, first, later in duplicates((each.get("name", ""), each) for each in named):
        mute = "mute " if later in section.sections("mute_time_intervals") else ""
        later.error(
            "name", f"{mute}time interval {quoted(name)} is not unique; first on line {first.node.line}"
        )
    return {each.get("name", "") for each in named}


def _check_root(route: Section) -> None:
    if not route.has("receiver"):
        route.error("receiver", "root route must specify a default receiver")
    for name in ("match", "match_re", "matchers"):
        if route.has(name):
            route.error(name, "root route must not have any matchers")
    if route.has("mute_time_intervals"):
        route.error("mute_time_intervals", "root route must not have any mute time intervals")
    if route.has("active_time_intervals"):
        route.error("active_time_intervals", "root route must not have any active time intervals")
    if route.get("continue"):
        route.error("continue", "cannot have continue in root route")


def _check_route(route: Section, receivers: set[str], intervals: set[str]) -> None:
    name = route.get("receiver", "")
    if name and name not in receivers:
        route.error(
            "receiver", f"undefined receiver {quoted(name)} used in route{_did_you_mean(name, receivers)}"
        )
    for field in ("mute_time_intervals", "active_time_intervals"):
        nodes = route.item_nodes(field)
        for index, interval in enumerate(route.get(field) or ()):
            if interval not in intervals:
                near = _did_you_mean(interval, intervals)
                message = f"undefined time interval {quoted(interval)} used in route{near}"
                route.reading.error(nodes[index], f"{route.field(field)}[{index}]", message)
    for child in route.sections("routes"):
        _check_route(child, receivers, intervals)


def _did_you_mean(name: str, known: set[str]) -> str:
    near = nearest_names(name, filter(None, known))
    return f"; did you mean {' or '.join(quoted(each) for each in near)}?" if near else ""


def alertmanager_config(section: Section, text: str) -> AlertmanagerConfig:
    """The typed value of a file that was read without mistakes."""
    shared = section.get("global")
    named = [*section.sections("mute_time_intervals"), *section.sections("time_intervals")]
    return AlertmanagerConfig(
        path=section.reading.path,
        text=text,
        route=_route(section.get("route"), Route("")),
        receivers=tuple(
            Receiver(each.get("name", ""), integrations(each, shared))
            for each in section.sections("receivers")
        ),
        resolve_timeout_ms=shared.get("resolve_timeout", 300_000) if shared is not None else 300_000,
        inhibit_rules=tuple(_inhibit_rule(each) for each in section.sections("inhibit_rules")),
        time_intervals=tuple(
            (each.get("name", ""), tuple(time_interval(part) for part in each.sections("time_intervals")))
            for each in named
        ),
        templates=template_files(section),
    )


def template_files(section: Section, missing: Callable[[int], None] = lambda _: None) -> tuple[str, ...]:
    """Paths of the template files, globs expanded; `missing` is told which patterns name no file."""
    found: dict[str, None] = {}
    for index, pattern in enumerate(section.get("templates") or ()):
        paths = sorted(glob(section.reading.join(pattern)))
        if not paths:
            missing(index)
        found |= dict.fromkeys(path for path in paths if Path(path).is_file())
    return tuple(found)


def _route(section: Section, parent: Route) -> Route:
    group_by = tuple(section.get("group_by") or ())
    everything = "..." in group_by
    own = (
        "group_by" in section.keys
        and section.get("group_by") is not None
        and not is_null(section.at("group_by"))
    )

    def time(name: str, inherited: int) -> int:
        given = section.get(name)
        return inherited if given is None or is_null(section.at(name)) else int(given)

    route = Route(
        receiver=section.get("receiver") or parent.receiver,
        matchers=matchers(section),
        continue_=section.get("continue", False),
        group_by=(() if everything else group_by) if own else parent.group_by,
        group_by_all=everything if own else parent.group_by_all,
        group_wait_ms=time("group_wait", parent.group_wait_ms),
        group_interval_ms=time("group_interval", parent.group_interval_ms),
        repeat_interval_ms=time("repeat_interval", parent.repeat_interval_ms),
        mute_time_intervals=section.get("mute_time_intervals") or (),
        active_time_intervals=section.get("active_time_intervals") or (),
        labels=tuple({**dict(parent.labels), **dict(section.get("labels") or ())}.items()),
    )
    return replace(route, routes=tuple(_route(child, route) for child in section.sections("routes")))


def _inhibit_rule(section: Section) -> InhibitRule:
    return InhibitRule(
        source_matchers=matchers(section, "source_"),
        target_matchers=matchers(section, "target_"),
        equal=section.get("equal") or (),
        name=section.get("name", ""),
    )
