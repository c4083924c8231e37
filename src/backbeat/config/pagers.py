"""Typed settings of receivers that page people or open tickets; attribute names are the YAML field names.

Texts are templates; their defaults are Alertmanager's.
"""

from __future__ import annotations

from msgspec import Struct, field

from backbeat.config.http_client import NO_SECRET, HTTPClient, SecretSource

Pairs = tuple[tuple[str, str], ...]


class PagerdutyImage(Struct, frozen=True):
    src: str = ""
    alt: str = ""
    href: str = ""


class PagerdutyLink(Struct, frozen=True):
    href: str = ""
    text: str = ""


class PagerdutyConfig(Struct, frozen=True):
    """With a service key, events of version 1; with a routing key, of version 2."""

    service_key: SecretSource = NO_SECRET
    routing_key: SecretSource = NO_SECRET
    url: str = "https://events.pagerduty.com/v2/enqueue"
    client: str = '{{ template "pagerduty.default.client" . }}'
    client_url: str = '{{ template "pagerduty.default.clientURL" . }}'
    description: str = '{{ template "pagerduty.default.description" . }}'
    source: str = ""
    """empty: that of `client`"""
    severity: str = ""
    class_: str = ""
    component: str = ""
    group: str = ""
    details: tuple[tuple[str, object], ...] = ()
    images: tuple[PagerdutyImage, ...] = ()
    links: tuple[PagerdutyLink, ...] = ()
    timeout_ms: int = 0
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class OpsgenieResponder(Struct, frozen=True):
    id: str = ""
    name: str = ""
    username: str = ""
    type: str = ""


class OpsgenieConfig(Struct, frozen=True):
    api_key: SecretSource = NO_SECRET
    api_url: str = "https://api.opsgenie.com/"
    message: str = '{{ template "opsgenie.default.message" . }}'
    description: str = '{{ template "opsgenie.default.description" . }}'
    source: str = '{{ template "opsgenie.default.source" . }}'
    details: Pairs = ()
    entity: str = ""
    responders: tuple[OpsgenieResponder, ...] = ()
    actions: str = ""
    tags: str = ""
    note: str = ""
    priority: str = ""
    update_alerts: bool = False
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class VictoropsConfig(Struct, frozen=True):
    api_key: SecretSource = NO_SECRET
    api_url: str = "https://alert.victorops.com/integrations/generic/20131114/alert/"
    routing_key: str = ""
    message_type: str = "CRITICAL"
    state_message: str = '{{ template "victorops.default.state_message" . }}'
    entity_display_name: str = '{{ template "victorops.default.entity_display_name" . }}'
    monitoring_tool: str = '{{ template "victorops.default.monitoring_tool" . }}'
    custom_fields: Pairs = ()
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class PushoverConfig(Struct, frozen=True):
    user_key: SecretSource = NO_SECRET
    token: SecretSource = NO_SECRET
    title: str = '{{ template "pushover.default.title" . }}'
    message: str = '{{ template "pushover.default.message" . }}'
    url: str = '{{ template "pushover.default.url" . }}'
    url_title: str = ""
    device: str = ""
    sound: str = ""
    priority: str = '{{ if eq .Status "firing" }}2{{ else }}0{{ end }}'
    retry_ms: int = 60_000
    expire_ms: int = 3_600_000
    ttl_ms: int = 0
    html: bool = False
    monospace: bool = False
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class IncidentioConfig(Struct, frozen=True):
    url: SecretSource = NO_SECRET
    alert_source_token: SecretSource = NO_SECRET
    max_alerts: int = 0
    timeout_ms: int = 0
    metadata: Pairs = ()
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class SigV4(Struct, frozen=True):
    """Who signs requests to AWS; what is empty is looked up in the environment and in AWS's own files."""

    region: str = ""
    access_key: str = ""
    secret_key: SecretSource = NO_SECRET
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    session_name: str = ""
    tags: Pairs = ()
    use_fips_sts_endpoint: bool = False


class SnsConfig(Struct, frozen=True):
    sigv4: SigV4 = field(default_factory=SigV4)
    api_url: str = ""
    topic_arn: str = ""
    phone_number: str = ""
    target_arn: str = ""
    subject: str = '{{ template "sns.default.subject" . }}'
    message: str = '{{ template "sns.default.message" . }}'
    attributes: Pairs = ()
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class JiraText(Struct, frozen=True):
    template: str
    enable_update: bool = True
    """whether an issue that exists gets the text anew"""


class JiraConfig(Struct, frozen=True):
    api_url: str = ""
    api_type: str = "auto"
    project: str = ""
    issue_type: str = ""
    summary: JiraText = JiraText('{{ template "jira.default.summary" . }}')
    description: JiraText = JiraText('{{ template "jira.default.description" . }}')
    priority: str = '{{ template "jira.default.priority" . }}'
    labels: tuple[str, ...] = ()
    reopen_transition: str = ""
    resolve_transition: str = ""
    wont_fix_resolution: str = ""
    reopen_duration_ms: int = 0
    fields: tuple[tuple[str, object], ...] = ()
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


PagerConfig = (
    PagerdutyConfig
    | OpsgenieConfig
    | VictoropsConfig
    | PushoverConfig
    | IncidentioConfig
    | SnsConfig
    | JiraConfig
)
