"""Where targets come from: the fields of every service discovery that Prometheus has.

In:  sections with `static_configs` and `<kind>_sd_configs`. Out: `Discovery`.
Backbeat itself knows static lists and files of targets; the other kinds are checked, and named in a warning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbeat.config.discovery_clouds import CLOUDS
from backbeat.config.go_url import URLError, parse_url, without_password
from backbeat.config.http_fields import HTTP_FIELDS, check_http, has_http
from backbeat.config.kinds import DURATION, FLAG, INTEGER, TEXT, URL, OneOf, label_set, texts
from backbeat.config.prometheus import Discovery, FileSD, TargetGroup
from backbeat.config.schema import Check, Kind, ListOf, MapOf, Section, StructOf, all_of, quoted
from backbeat.config.secret_kinds import SECRET
from backbeat.model.labels import Labels

if TYPE_CHECKING:
    from backbeat.config.nodes import Node

_FILE_NAME = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
# Selectors of Kubernetes: terms with commas between them, none of those in parentheses.
_SELECTOR_COMMA = re.compile(r",(?![^(]*\))")
_FIELD_TERM = re.compile(r"[^=!]+(?:==?|!=).*")
_LABEL_KEY = r"!?\s*[A-Za-z0-9][A-Za-z0-9._/-]*"
_LABEL_TERM = re.compile(
    rf"{_LABEL_KEY}(?:\s*(?:==?|!=|<|>)\s*[A-Za-z0-9._-]*|\s+(?:in|notin)\s*\([A-Za-z0-9._, -]*\))?"
)
_K8S_ROLES = ("pod", "service", "endpoints", "endpointslice", "node", "ingress")
_K8S_SELECTORS = {
    "pod": ("pod", "node"),
    "service": ("service",),
    "endpointslice": ("pod", "service", "endpointslice"),
    "endpoints": ("pod", "service", "endpoints"),
    "node": ("node",),
    "ingress": ("ingress",),
}

TARGET_GROUP = StructOf(
    "a target group",
    {"targets": texts(), "labels": label_set()},
    instead={"target": "did you mean `targets`?", "hosts": "did you mean `targets`?"},
)


def _http(what: str, fields: dict[str, Kind], check: Check | None = None) -> StructOf:
    def both(section: Section) -> None:
        check_http(section)
        if check is not None:
            check(section)

    return StructOf(what, {**HTTP_FIELDS, "refresh_interval": DURATION, **fields}, both)


def _check_file(section: Section) -> None:
    if not section.has("files"):
        section.error("files", "file service discovery config must contain at least one path name")
    nodes = section.item_nodes("files")
    for index, name in enumerate(section.get("files") or ()):
        if not _FILE_NAME.fullmatch(name):
            section.reading.error(
                nodes[index],
                f"{section.field('files')}[{index}]",
                f"path name {quoted(name)} is not valid for file discovery: expected a name that ends in "
                ".json, .yml or .yaml, with * in its last part only",
            )


def _check_http_sd(section: Section) -> None:
    if not section.has("url"):
        section.error("url", "URL is missing")
        return
    check_http_url(section, "url")


def check_http_url(section: Section, name: str) -> None:
    """The field must be a URL with the scheme http or https and a host."""
    text = section.get(name)
    if not text:
        return
    shown = quoted(without_password(text))
    try:
        url = parse_url(text)
    except URLError as error:
        section.error(name, f"found {shown}, expected a URL: {error}")
        return
    if url.scheme not in ("http", "https"):
        section.error(name, f"found {shown}: URL scheme must be 'http' or 'https'")
    elif not url.host:
        section.error(name, f"found {shown}: host is missing in URL")


def _check_any_url(name: str) -> Check:
    def check(section: Section) -> None:
        if not section.has(name):
            section.error(name, f"is missing; expected the URL of the server in {name!r}")
            return
        text = section.get(name)
        if text is None:
            return  # no URL, and that is already told
        try:
            url = parse_url(text)
        except URLError as error:
            section.error(name, f"is no URL: {error}")
            return
        if not url.scheme or not url.host:
            section.error(
                name, f"found {quoted(without_password(text))}, expected a URL with scheme and host"
            )

    return check


def _check_dns(section: Section) -> None:
    if not section.has("names"):
        section.error("names", "DNS-SD config must contain at least one SRV record name")
    kind = section.get("type", "SRV").upper()
    if kind in ("A", "AAAA", "MX", "NS"):
        if not section.has("port"):
            section.error("port", "a port is required in DNS-SD configs for all record types except SRV")
    elif kind != "SRV" and "type" not in section.broken:
        section.error(
            "type", f"found {quoted(kind)}, expected one of SRV, A, AAAA, MX, NS: invalid DNS-SD records type"
        )


def _check_kubernetes(section: Section) -> None:
    if not section.has("role"):
        section.error("role", f"role missing (one of: {', '.join(_K8S_ROLES)})")
    server, kubeconfig = section.has("api_server"), section.has("kubeconfig_file")
    if server and kubeconfig:
        section.error("kubeconfig_file", "cannot use 'kubeconfig_file' and 'api_server' simultaneously")
    if kubeconfig and has_http(section):
        section.error("", "cannot use a custom HTTP client configuration together with 'kubeconfig_file'")
    if "api_server" not in section.keys and not kubeconfig and has_http(section):
        section.error(
            "", "to use custom HTTP client configuration please provide the 'api_server' URL explicitly"
        )
    namespaces = section.get("namespaces")
    if namespaces is not None and namespaces.has("own_namespace"):
        for name in ("api_server", "kubeconfig_file"):
            if section.has(name):
                section.error(name, f"cannot use '{name}' and 'namespaces.own_namespace' simultaneously")


def _check_selectors(section: Section) -> None:
    role, seen = section.get("role"), set()
    for selector in section.sections("selectors"):
        own = selector.get("role", "")
        if own in seen:
            selector.error("role", f"duplicated selector role: {own}")
        seen.add(own)
        _check_selector_texts(selector)
        if role and own not in _K8S_SELECTORS[role] and "role" not in selector.broken:
            selector.error("role", f"{role} role supports only {', '.join(_K8S_SELECTORS[role])} selectors")


def _check_selector_texts(selector: Section) -> None:
    for name, term, example in (
        ("field", _FIELD_TERM, "status.phase=Running"),
        ("label", _LABEL_TERM, "app=web"),
    ):
        text = selector.get(name, "").strip()
        terms = _SELECTOR_COMMA.split(text) if text else ()
        if wrong := next((each for each in terms if not term.fullmatch(each.strip())), None):
            selector.error(
                name,
                f"found {quoted(text)}, expected a selector such as {example}: can't understand {wrong!r}",
            )


def _check_consul(section: Section) -> None:
    if not section.get("server", "localhost:8500").strip():
        section.error("server", "consul SD configuration requires a server address")
    if section.has("username") or section.has("password"):
        section.at_most_one("basic_auth", "username" if section.has("username") else "password")
    for name in ("authorization", "oauth2"):
        section.at_most_one("token", name)


def _check_docker(section: Section) -> None:
    section.require("host")


def _check_swarm(section: Section) -> None:
    section.require("host", "role")


def _check_marathon(section: Section) -> None:
    if not section.has("servers"):
        section.error("servers", "marathon_sd: must contain at least one Marathon server")
    section.at_most_one("auth_token", "auth_token_file")
    token = "auth_token" if section.has("auth_token") else "auth_token_file"
    for name in ("basic_auth", "bearer_token", "bearer_token_file", "authorization"):
        section.at_most_one(name, token)


def _check_zookeeper(section: Section) -> None:
    section.require("servers", "paths")
    nodes = section.item_nodes("paths")
    for index, path in enumerate(section.get("paths") or ()):
        if not path.startswith("/"):
            place = f"{section.field('paths')}[{index}]"
            section.reading.error(
                nodes[index], place, f"found {quoted(path)}, expected a path that begins with '/'"
            )


_FILTER = StructOf("a filter", {"name": TEXT, "values": texts()})
_ZOOKEEPER = StructOf(
    "Zookeeper discovery", {"servers": texts(), "paths": texts(), "timeout": DURATION}, _check_zookeeper
)
_K8S_ROLE = OneOf(_K8S_ROLES, what="a Kubernetes SD role")

KINDS: dict[str, StructOf] = {
    "file_sd_configs": StructOf(
        "file discovery", {"files": texts(), "refresh_interval": DURATION}, _check_file
    ),
    "http_sd_configs": _http("HTTP discovery", {"url": URL}, _check_http_sd),
    "dns_sd_configs": StructOf(
        "DNS discovery",
        {"names": texts(), "refresh_interval": DURATION, "type": TEXT, "port": INTEGER},
        _check_dns,
    ),
    "kubernetes_sd_configs": StructOf(
        "Kubernetes discovery",
        {
            **HTTP_FIELDS,
            "api_server": URL,
            "role": _K8S_ROLE,
            "kubeconfig_file": TEXT,
            "namespaces": StructOf("namespaces", {"own_namespace": FLAG, "names": texts()}),
            "selectors": ListOf(StructOf("a selector", {"role": _K8S_ROLE, "label": TEXT, "field": TEXT})),
            "attach_metadata": StructOf(
                "attach_metadata",
                {"node": FLAG, "namespace": FLAG, "deployment": FLAG, "job": FLAG, "cronjob": FLAG},
            ),
        },
        all_of(check_http, _check_kubernetes, _check_selectors),
    ),
    "consul_sd_configs": _http(
        "Consul discovery",
        {
            **dict.fromkeys(
                ("server", "path_prefix", "datacenter", "namespace", "partition", "tag_separator", "scheme"),
                TEXT,
            ),
            **dict.fromkeys(("username", "filter", "health_filter"), TEXT),
            "token": SECRET,
            "password": SECRET,
            "allow_stale": FLAG,
            "services": texts(),
            "tags": texts(),
            "node_meta": MapOf(TEXT),
        },
        _check_consul,
    ),
    "docker_sd_configs": _http(
        "Docker discovery",
        {
            "host": URL,
            "port": INTEGER,
            "filters": ListOf(_FILTER),
            "host_networking_host": TEXT,
            "match_first_network": FLAG,
        },
        _check_docker,
    ),
    "dockerswarm_sd_configs": _http(
        "Docker Swarm discovery",
        {
            "host": URL,
            "role": OneOf(("services", "nodes", "tasks"), what="a role"),
            "port": INTEGER,
            "filters": ListOf(_FILTER),
        },
        _check_swarm,
    ),
    "eureka_sd_configs": _http("Eureka discovery", {"server": URL}, _check_any_url("server")),
    "kuma_sd_configs": _http(
        "Kuma discovery",
        {"fetch_timeout": DURATION, "server": URL, "client_id": TEXT},
        _check_any_url("server"),
    ),
    "marathon_sd_configs": _http(
        "Marathon discovery",
        {"servers": texts(), "auth_token": SECRET, "auth_token_file": TEXT},
        _check_marathon,
    ),
    "nerve_sd_configs": _ZOOKEEPER,
    "serverset_sd_configs": _ZOOKEEPER,
    **CLOUDS,
}
SUPPORTED = frozenset(("file_sd_configs",))

DISCOVERY_FIELDS: dict[str, Kind] = {
    "static_configs": ListOf(TARGET_GROUP, "empty or null section in static_configs"),
    **{name: ListOf(kind, f"empty or null section in {name}") for name, kind in KINDS.items()},
}


def static_targets(section: Section) -> list[tuple[Node, str, str]]:
    """(node, field, address) of every statically configured target."""
    found = []
    for group in section.sections("static_configs"):
        nodes = group.item_nodes("targets")
        for index, address in enumerate(group.get("targets") or ()):
            found.append((nodes[index], f"{group.field('targets')}[{index}]", address))
    return found


def warn_unsupported(section: Section) -> None:
    """Say which targets will not be scraped, since Backbeat cannot discover them."""
    for name in KINDS.keys() - SUPPORTED:
        if section.has(name):
            section.warn(name, f"{name} is read but not yet supported: these targets are not scraped")


def discovery(section: Section) -> Discovery:
    """The typed value of a section that was read without mistakes."""
    groups = tuple(
        TargetGroup(
            targets=tuple(group.get("targets") or ()),
            labels=Labels.of(group.get("labels") or ()),
            source=str(index),
        )
        for index, group in enumerate(section.sections("static_configs"))
    )
    files = tuple(
        FileSD(
            tuple(section.reading.join(name) for name in each.get("files", ())),
            each.get("refresh_interval", 300_000) or 300_000,
        )
        for each in section.sections("file_sd_configs")
    )
    unsupported = tuple(sorted(name for name in KINDS.keys() - SUPPORTED if section.get(name)))
    return Discovery(groups, files, unsupported)
