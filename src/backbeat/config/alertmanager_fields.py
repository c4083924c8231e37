"""The fields of alertmanager.yml (Alertmanager 0.35), and the rules that one section alone can break.

What sections say together (receivers that exist, what is taken from `global`) stands in `alertmanager_rules`.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from backbeat.config.http_fields import HEADER, HTTP_CONFIG, TLS_CONFIG
from backbeat.config.kinds import DURATION, FLAG, INTEGER, TEMPLATE, TEXT, OneOf, Url, text_of, texts
from backbeat.config.matcher_syntax import MatcherError, make_matcher, parse_matchers
from backbeat.config.nodes import Mapping, Node, is_null
from backbeat.config.prometheus_fields import TRACING_FIELDS, check_tracing
from backbeat.config.receiver_fields import DEFAULT_SLACK_APP_URL, RECEIVERS
from backbeat.config.schema import (
    INVALID,
    Invalid,
    Kind,
    Lazy,
    ListOf,
    MapOf,
    Reading,
    Section,
    StructOf,
    duplicates,
    quoted,
)
from backbeat.config.secret_kinds import SECRET, FromEnvironment, HostPort, SecretUrl
from backbeat.config.time_intervals import NAMED_INTERVAL
from backbeat.model.labels import LEGACY_LABEL_NAME
from backbeat.model.matchers import Matcher, MatchOp

_HTTP_URL = Url(http=True)


class MatcherLine(Struct, frozen=True):
    """One text of matchers; reads as a tuple of them."""

    empty: tuple[Matcher, ...] = ()

    def read(self, node: Node, path: str, reading: Reading) -> tuple[Matcher, ...] | Invalid:
        text = text_of(node, path, reading, 'a matcher such as severity="critical"')
        if not isinstance(text, str):
            return text
        try:
            return tuple(parse_matchers(text))
        except MatcherError as error:
            reading.error(
                node, path, f'found {quoted(text)}, expected a matcher such as severity="critical": {error}'
            )
            return INVALID


class Match(Struct, frozen=True):
    """The old `match` and `match_re`: a mapping of label names to values; reads as matchers."""

    op: str
    empty: tuple[Matcher, ...] = ()

    def read(self, node: Node, path: str, reading: Reading) -> tuple[Matcher, ...] | Invalid:
        if not isinstance(node, Mapping):
            return reading.wrong(node, path, "a mapping of label names to values")
        found: list[Matcher] = []
        sound = True
        for key, value in node.entries:
            matcher = self._matcher(key.text, value, f"{path}.{key.text}", reading)
            if not LEGACY_LABEL_NAME.fullmatch(key.text):
                reading.error(
                    key, f"{path}.{key.text}", f"invalid label name {quoted(key.text)}; use `matchers`"
                )
            elif matcher is not None:
                found.append(matcher)
                continue
            sound = False
        return tuple(found) if sound else INVALID

    def _matcher(self, name: str, node: Node, path: str, reading: Reading) -> Matcher | None:
        if is_null(node) and self.op == "=~":
            reading.error(node, path, f"invalid regexp value for {quoted(name)}")
            return None
        text = "" if is_null(node) else text_of(node, path, reading, "a label value")
        if not isinstance(text, str):
            return None
        try:
            matcher = make_matcher(name, self.op, text)
        except MatcherError as error:
            reading.error(node, path, str(error))
            return None
        # Alertmanager keeps the pattern with its anchors, and group keys show it so.
        return replace(matcher, value=f"^(?:{text})$") if self.op == "=~" else matcher


MATCHERS = ListOf(MatcherLine(), what='a list of matchers such as [severity="critical"]')


def matchers(section: Section, prefix: str = "") -> tuple[Matcher, ...]:
    """All matchers of a section, of the old fields and the new, in Alertmanager's order."""
    lines = section.get(f"{prefix}matchers") or ()
    found = (
        *(section.get(f"{prefix}match") or ()),
        *(section.get(f"{prefix}match_re") or ()),
        *(matcher for line in lines for matcher in line or ()),
    )
    order = list(MatchOp)
    return tuple(sorted(found, key=lambda each: (each.name, each.value, order.index(each.op))))


def _is_label_name(name: str) -> bool:
    """Alertmanager's classic mode wants [a-zA-Z_][a-zA-Z0-9_]*, its UTF-8 mode takes anything.

    Between the two: the first character is as in the classic mode or beyond ASCII, so that http.method
    and größe pass and a slip of the pen such as -job does not.
    """
    return bool(name) and (name[0].isalpha() or name[0] == "_" or not name[0].isascii())


def _check_route(section: Section) -> None:
    group_by = section.get("group_by") or ()
    nodes = section.item_nodes("group_by")
    path = section.field("group_by")
    for index, name in enumerate(group_by):
        if name != "..." and not _is_label_name(name):
            message = f"invalid label name {quoted(name)} in group_by list"
            section.reading.error(nodes[index], f"{path}[{index}]", message)
    if "..." in group_by and len(set(group_by)) > 1:
        section.error("group_by", "cannot have wildcard group_by (`...`) and other labels at the same time")
    named = ((name, node) for name, node in zip(group_by, nodes, strict=True) if name != "...")
    for name, _, later in duplicates(named):
        section.reading.error(later, path, f"duplicated label {quoted(name)} in group_by")
    for field in ("group_interval", "repeat_interval"):
        if section.get(field) == 0 and not is_null(section.at(field)):
            section.error(field, f"{field} cannot be zero")
    for name, _ in section.get("labels") or ():
        if not _is_label_name(name):
            section.error("labels", f"invalid label name {quoted(name)} in route labels")


ROUTE: StructOf = StructOf(
    "a route",
    {
        "receiver": TEXT,
        "group_by": texts(),
        "match": Match("="),
        "match_re": Match("=~"),
        "matchers": MATCHERS,
        "mute_time_intervals": texts(),
        "active_time_intervals": texts(),
        "continue": FLAG,
        "routes": ListOf(Lazy(lambda: ROUTE), "empty or null route", "a list of routes"),
        **dict.fromkeys(("group_wait", "group_interval", "repeat_interval"), DURATION),
        "labels": MapOf(TEMPLATE),
    },
    _check_route,
    instead={
        "receivers": "did you mean `receiver`?",
        "matcher": "did you mean `matchers`?",
        "group_timeout": "did you mean `group_wait`?",
        "severity": 'write a matcher: `matchers: [severity="…"]`',
        "mute_times": "did you mean `mute_time_intervals`?",
    },
)


def _check_equal(section: Section) -> None:
    nodes = section.item_nodes("equal")
    for index, name in enumerate(section.get("equal") or ()):
        if not _is_label_name(name):
            path = f"{section.field('equal')}[{index}]"
            section.reading.error(nodes[index], path, f"invalid label name {quoted(name)} in equal list")


INHIBIT_RULE = StructOf(
    "an inhibit rule",
    {
        "name": TEXT,
        "source_match": Match("="),
        "source_match_re": Match("=~"),
        "source_matchers": MATCHERS,
        "target_match": Match("="),
        "target_match_re": Match("=~"),
        "target_matchers": MATCHERS,
        "equal": texts(),
    },
    _check_equal,
)


def _check_receiver(section: Section) -> None:
    if not section.has("name"):
        section.error("name", "missing name in receiver")
    label = dict(section.get("labels") or ()).get("name")
    if label is not None and label != section.get("name"):
        section.error("labels", f'receiver label "name" must match receiver name, found {quoted(label)}')


# Null entries: upstream takes the global settings for these, and refuses the others as missing.
_NULL_MEANS_DEFAULTS = frozenset(
    ("slack_configs", "opsgenie_configs", "wechat_configs", "rocketchat_configs")
)
RECEIVER = StructOf(
    "a receiver",
    {
        "name": TEXT,
        "labels": MapOf(TEXT),
        **{
            name: ListOf(
                kind,
                "" if name in _NULL_MEANS_DEFAULTS else f"missing {name.removesuffix('_configs')} config",
            )
            for name, kind in RECEIVERS.items()
        },
    },
    _check_receiver,
    instead={
        **{name.removesuffix("s"): f"did you mean `{name}`?" for name in RECEIVERS},
        **{name.removesuffix("_configs"): f"did you mean `{name}`?" for name in RECEIVERS},
        "receiver": "did you mean `name`?",
    },
)

_PAIRS = (
    ("slack_app_token", "slack_app_token_file"),
    ("slack_api_url", "slack_api_url_file"),
    ("opsgenie_api_key", "opsgenie_api_key_file"),
    ("victorops_api_key", "victorops_api_key_file"),
    ("telegram_bot_token", "telegram_bot_token_file"),
    ("smtp_auth_password", "smtp_auth_password_file"),
    ("smtp_auth_secret", "smtp_auth_secret_file"),
    ("rocketchat_token", "rocketchat_token_file"),
    ("rocketchat_token_id", "rocketchat_token_id_file"),
    ("wechat_api_secret", "wechat_api_secret_file"),
    ("mattermost_webhook_url", "mattermost_webhook_url_file"),
)


def _check_global(section: Section) -> None:
    for names in _PAIRS:
        section.at_most_one(*names)
    url = "slack_api_url" if section.has("slack_api_url") else "slack_api_url_file"
    token = "slack_app_token" if section.has("slack_app_token") else "slack_app_token_file"
    if section.has(url) and section.has(token):
        written = section.get("slack_api_url")
        # A known way to use tokens: the token's own URL given as slack_api_url.
        if not written or written.reveal() != section.get("slack_app_url", DEFAULT_SLACK_APP_URL):
            section.error(
                token,
                "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file "
                "must be configured",
            )


GLOBAL = StructOf(
    "global",
    {
        "resolve_timeout": DURATION,
        "http_config": HTTP_CONFIG,
        **dict.fromkeys(
            ("smtp_from", "smtp_hello", "smtp_auth_username", "smtp_auth_identity"), FromEnvironment()
        ),
        "smtp_smarthost": HostPort(),
        "smtp_require_tls": FLAG,
        "smtp_tls_config": TLS_CONFIG,
        "smtp_force_implicit_tls": FLAG,
        "slack_api_url": SecretUrl(file_field="slack_api_url_file"),
        "mattermost_webhook_url": SecretUrl(file_field="mattermost_webhook_url_file"),
        **{name: TEXT for _, name in _PAIRS},
        **{name: SECRET for name, _ in _PAIRS if not name.endswith("_url")},
        **dict.fromkeys(
            (
                *("jira_api_url", "slack_app_url", "pagerduty_url", "opsgenie_api_url", "wechat_api_url"),
                *("victorops_api_url", "telegram_api_url", "webex_api_url", "rocketchat_api_url"),
            ),
            _HTTP_URL,
        ),
        "wechat_api_corp_id": TEXT,
    },
    _check_global,
    instead={"group_wait": "it belongs under `route`", "receiver": "it belongs under `route`"},
)


def _check_path(section: Section) -> None:
    if not section.has("path"):
        section.error("path", "event_recorder file output requires a path")


def _check_kafka(section: Section) -> None:
    if not section.has("brokers") or "" in section.get("brokers", ()):
        section.error("brokers", "kafka: at least one broker is required, and none may be empty")
    if not section.has("topic"):
        section.error("topic", "event_recorder kafka output requires a topic")


def _check_recorder_webhook(section: Section) -> None:
    if not section.has("url"):
        section.error("url", "event_recorder webhook output requires a url")
    batch = ("batch_max_events", "batch_max_bytes", "batch_flush_interval")
    for name in batch:
        if section.get(name, 0) < 0:
            section.error(name, "event_recorder webhook batch settings cannot be negative")
        elif section.has(name) and not section.has("batch"):
            section.error(name, "event_recorder webhook batch settings require batch: true")


_EVENT_RECORDER = StructOf(
    "event_recorder",
    {
        "file_outputs": ListOf(StructOf("a file output", {"name": TEXT, "path": TEXT}, _check_path)),
        "stdout_outputs": ListOf(StructOf("a stdout output", {"name": TEXT})),
        "webhook_outputs": ListOf(
            StructOf(
                "a webhook output",
                {
                    "name": TEXT,
                    "url": SecretUrl(),
                    "http_config": HTTP_CONFIG,
                    **dict.fromkeys(("timeout", "retry_backoff", "batch_flush_interval"), DURATION),
                    **dict.fromkeys(
                        ("workers", "max_retries", "batch_max_events", "batch_max_bytes"), INTEGER
                    ),
                    "batch": FLAG,
                },
                _check_recorder_webhook,
            )
        ),
        "kafka_outputs": ListOf(
            StructOf(
                "a Kafka output",
                {
                    "name": TEXT,
                    "brokers": texts(),
                    "topic": TEXT,
                    "client_id": TEXT,
                    "format": OneOf(("", "json", "protobuf")),
                    "acks": OneOf(("", "none", "leader", "all")),
                    "compression": OneOf(("", "none", "gzip", "snappy", "lz4", "zstd")),
                    "buffer_size": INTEGER,
                    "tls_config": TLS_CONFIG,
                },
                _check_kafka,
            )
        ),
    },
)
_TRACING: dict[str, Kind] = {**TRACING_FIELDS, "headers": MapOf(HEADER)}
_UNDER_ROUTE = (
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "receiver",
    "continue",
    "match",
    "matchers",
)
ALERTMANAGER = StructOf(
    "alertmanager.yml",
    {
        "global": GLOBAL,
        "route": ROUTE,
        "inhibit_rules": ListOf(INHIBIT_RULE, "empty or null inhibit rule"),
        "receivers": ListOf(RECEIVER, "missing name in receiver"),
        "templates": texts(),
        "mute_time_intervals": ListOf(NAMED_INTERVAL, "missing name in mute time interval"),
        "time_intervals": ListOf(NAMED_INTERVAL, "missing name in time interval"),
        "tracing": StructOf("tracing", _TRACING, check_tracing),
        "event_recorder": _EVENT_RECORDER,
    },
    instead={
        "routes": "it belongs under `route`",
        **dict.fromkeys(_UNDER_ROUTE, "it belongs under `route`"),
        "inhibition_rules": "did you mean `inhibit_rules`?",
        "inhibitors": "did you mean `inhibit_rules`?",
        "receiver_configs": "did you mean `receivers`?",
        "resolve_timeout": "it belongs under `global`",
        **dict.fromkeys(("smtp_smarthost", "smtp_from", "slack_api_url"), "it belongs under `global`"),
        "scrape_configs": "it belongs in prometheus.yml",
        "rule_files": "it belongs in prometheus.yml",
    },
)
