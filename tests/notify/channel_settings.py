"""An alertmanager.yml with a receiver of every kind and nearly every field, all leading to one sink."""

from __future__ import annotations

from typing import Any

TEMPLATES = """
{{ define "__alertmanager" }}Us{{ end }}
{{ define "__alertmanagerURL" }}http://us.example/{{ .Receiver }}{{ end }}
"""
LABEL = "{{ .CommonLabels.job }}"
DETAILS = {"firing": "none", "resolved": "none"}
"""Their defaults differ between releases."""
FIELDS = [
    {"title": "Job", "value": LABEL},
    {"title": "{{ .Status }}", "value": "v", "short": True},
]


def integrations(url: str, proxy: str) -> dict[str, list[dict[str, Any]]]:
    """What Alertmanager 0.25 knows."""
    through = {"proxy_url": proxy, "tls_config": {"insecure_skip_verify": True}}
    return {
        "webhook_configs": [{"url": f"{url}/webhook"}],
        "pagerduty_configs": [
            {
                "routing_key": "routing",
                "url": f"{url}/pagerduty-plain",
                "details": DETAILS,
            },
            {
                "routing_key": "{{ .CommonLabels.job }}-key",
                "url": f"{url}/pagerduty",
                "severity": '{{ if eq .Status "firing" }}critical{{ else }}info{{ end }}',
                **{
                    name: f"{name} of {LABEL}"
                    for name in ("class", "component", "group", "client", "client_url")
                },
                "description": "{{ range .Alerts }}{{ .Labels.instance }} {{ end }}" + "x" * 2000,
                "details": {"team": LABEL, "firing": "f", "resolved": "{{ len .Alerts.Resolved }} r"},
                "images": [
                    {"src": "http://i/{{ .Status }}.png", "alt": "a", "href": "http://h"},
                    {"alt": "none"},
                ],
                "links": [{"href": "http://l/{{ .Status }}", "text": "t"}, {"text": "none"}],
            },
            {"service_key": "service", "http_config": through, "details": DETAILS},
        ],
        "opsgenie_configs": [
            {"api_key": "genie", "api_url": f"{url}/opsgenie-plain"},
            {
                "api_key": "genie",
                "api_url": f"{url}/opsgenie/",
                "message": "m" * 140,
                "update_alerts": True,
                "priority": '{{ if eq .CommonLabels.job "api" }}P1{{ end }}',
                "tags": "a,,b,{{ .Status }}",
                "actions": "restart,look",
                "note": "note <&>",
                "entity": LABEL,
                "source": "src",
                "details": {"extra": LABEL, "job": "other"},
                "responders": [
                    {"name": "one,two", "type": "teams"},
                    {"username": "u@x", "type": "user"},
                    {"id": "{{ .CommonLabels.none }}", "type": "{{ .CommonLabels.none }}"},
                ],
            },
        ],
        "victorops_configs": [
            {"api_key": "vo", "api_url": f"{url}/victorops-plain", "routing_key": "r"},
            {
                "api_key": "vo",
                "api_url": f"{url}/victorops/",
                "routing_key": f"r-{LABEL}",
                "message_type": "{{ if .CommonLabels.job }}WARNING{{ end }}",
                "state_message": "s" * 21000,
                "monitoring_tool": "tool",
                "entity_display_name": LABEL,
                "custom_fields": {"own": LABEL},
            },
        ],
        "wechat_configs": [
            {"api_secret": "s", "corp_id": "corp", "api_url": f"{url}/wechat/", "send_resolved": True},
            {
                "api_secret": "s",
                "corp_id": "corp",
                "api_url": f"{url}/wechat-markdown/",
                "message_type": "markdown",
                "message": "**{{ .Status }}**",
                "to_user": "u",
                "to_party": "p",
                "to_tag": "t",
                "agent_id": "{{ len .Alerts }}",
                "send_resolved": True,
            },
        ],
        "slack_configs": [
            {
                "api_url": f"{url}/slack",
                "send_resolved": True,
                "channel": "#{{ .CommonLabels.job }}",
                **{
                    name: f"{name} {LABEL}"
                    for name in ("username", "pretext", "text", "footer", "callback_id")
                },
                "icon_emoji": ":x:",
                "icon_url": "http://i",
                "image_url": "http://g",
                "thumb_url": "http://t",
                "title": "t" * 1100,
                "title_link": "http://l",
                "fallback": "f",
                "color": "{{ .Status }}",
                "fields": FIELDS,
                "short_fields": True,
                "link_names": True,
                "mrkdwn_in": ["text"],
                "actions": [
                    {"type": "button", "text": "Go {{ .Status }}", "url": "http://x", "style": "primary"},
                    {
                        "type": "button",
                        "text": "Do",
                        "name": "n",
                        "value": "{{ len .Alerts }}",
                        "confirm": {"text": LABEL, "title": "T", "ok_text": "O", "dismiss_text": "D"},
                    },
                ],
            }
        ],
        "telegram_configs": [
            {"bot_token": "1:t", "chat_id": -5, "api_url": f"{url}/telegram"},
            {
                "bot_token": "1:t",
                "chat_id": 5,
                "api_url": f"{url}/telegram-plain",
                "parse_mode": "",
                "message": "x" * 5000,
                "disable_notifications": True,
            },
        ],
        "discord_configs": [{"webhook_url": f"{url}/discord"}],
        "webex_configs": [
            {
                "api_url": f"{url}/webex",
                "room_id": "room",
                "message": "x" * 8000,
                "http_config": {"authorization": {"credentials": "wx"}},
            }
        ],
        "sns_configs": [
            {
                "api_url": f"{url}/sns",
                "topic_arn": "arn:aws:sns:eu-central-1:1:{{ .CommonLabels.job }}",
                "sigv4": {"region": "eu-central-1", "access_key": "AK", "secret_key": "SK"},
                "subject": "{{ .Status }} {{ len .Alerts }}",
                "attributes": {"own": LABEL},
            }
        ],
        "pushover_configs": [
            {"user_key": "u", "token": "t", "http_config": through},
            {
                "user_key": "u",
                "token": "t",
                "http_config": through,
                "html": True,
                "message": "<b>{{ .CommonAnnotations.summary }}</b>" + "m" * 1100,
                "title": "t" * 300,
                "url_title": LABEL,
                "sound": "siren",
                "url": "http://p",
                "priority": "1",
                "retry": "2m",
                "expire": "30m",
            },
        ],
    }


def newer_integrations(url: str, proxy: str) -> dict[str, list[dict[str, Any]]]:
    """What Alertmanager 0.35 knows."""
    found = integrations(url, proxy)
    through = {"proxy_url": proxy, "tls_config": {"insecure_skip_verify": True}}
    chat = {
        name: f"{name} {LABEL}"
        for name in ("pretext", "author_name", "author_link", "author_icon", "footer_icon")
    }
    found["webhook_configs"].append(
        {
            "url": f"{url}/webhook-payload",
            "payload": {
                "{{ .Status }}": ["{{ len .Alerts }}", "{{ .CommonLabels | toJson }}", True, 1.5, None],
                "text": "ends with a colon:",
                "list": "[a, {b: yes}]",
                "quoted": '"5"',
                "number": "{{ len .Alerts }}",
                "number as text": '{{ len .Alerts | printf "%d" | toJson }}',
                "times": '{{ (index .Alerts 0).StartsAt | addDuration "-30m" }}',
                "joined": '{{ list 1 "a" true 2.5 | join "-" }}',
            },
        }
    )
    found["pagerduty_configs"] += [
        {
            "routing_key": "r",
            "url": f"{url}/pagerduty-details",
            "source": "src",
            "details": {"nested": {"a": ["{{ .Status }}", 3]}, "text": "yes", "empty": ""},
        }
    ]
    found["telegram_configs"].append(
        {
            "bot_token": "1:t",
            "chat_id": 5,
            "api_url": f"{url}/telegram-thread",
            "message_thread_id": 9,
            "parse_mode": "MarkdownV2",
            "timeout": "9s",
            "message": "*{{ .Status }}*",
        }
    )
    for name, text in (("seen", "é" * 4090), ("hidden", "é" * 4090 + "&amp;" * 6)):
        linked = f'<a href="http://h.example/{"x" * 900}">{text}</a>'
        found["telegram_configs"].append(
            {"bot_token": "1:t", "chat_id": 5, "api_url": f"{url}/telegram-{name}", "message": linked}
        )
    found["discord_configs"].append(
        {
            "webhook_url": f"{url}/discord-more",
            "content": "c" * 2100,
            "title": "t" * 300,
            "message": "m" * 5000,
            "username": "name",
            "avatar_url": "http://a/b.png",
        }
    )
    found["slack_configs"].append(
        {**found["slack_configs"][0], "api_url": f"{url}/slack-text", "message_text": "whole {{ .Status }}"}
    )
    found["pushover_configs"].append(
        {"user_key": "u", "token": "t", "http_config": through, "ttl": "5m", "monospace": True, "device": "d"}
    )
    found["webex_configs"].append(
        {**found["webex_configs"][0], "api_url": f"{url}/webex-more", "room_id": LABEL, "message": LABEL}
    )
    found["msteams_configs"] = [
        {"webhook_url": f"{url}/msteams"},
        {"webhook_url": f"{url}/msteams-more", "title": LABEL, "text": "t", "summary": "s"},
    ]
    found["msteamsv2_configs"] = [
        {"webhook_url": f"{url}/msteamsv2"},
        {"webhook_url": f"{url}/msteamsv2-more", "title": LABEL, "text": "t"},
    ]
    found["jira_configs"] = [
        {"api_url": f"{url}/jira-plain/rest/api/2", "project": "OPS", "issue_type": "Bug"},
        {
            "api_url": f"{url}/jira/rest/api/2",
            "project": "OPS-{{ .CommonLabels.job }}",
            "issue_type": "{{ .CommonLabels.job }}",
            "summary": {"template": "s" * 300, "enable_update": False},
            "description": "d {{ .Status }}",
            "priority": '{{ template "jira.default.priority" . }}',
            "labels": ["z", "a-{{ .Status }}"],
            "resolve_transition": "Close",
            "reopen_transition": "Open",
            "reopen_duration": "90m",
            "wont_fix_resolution": "Won't Do",
            "fields": {"customfield_1": {"value": LABEL}, "customfield_2": ["{{ len .Alerts }}", "x"]},
        },
    ]
    found["rocketchat_configs"] = [
        {"api_url": f"{url}/rocketchat", "token": "tok", "token_id": "id", "send_resolved": True},
        {
            "api_url": f"{url}/rocketchat-more/",
            "token": "tok",
            "token_id": "id",
            "send_resolved": True,
            "channel": "#{{ .CommonLabels.job }}",
            "emoji": ":x:",
            "icon_url": "http://i",
            "message_text": "shown {{ .Status }}",
            "color": "red",
            "title": "t" * 1100,
            "title_link": "http://l",
            "text": LABEL,
            "image_url": "i",
            "thumb_url": "t",
            "fields": FIELDS,
            "short_fields": True,
            "actions": [{"type": "button", "text": "Go {{ .Status }}", "url": "http://x", "msg": "m"}],
        },
    ]
    found["mattermost_configs"] = [
        {"webhook_url": f"{url}/mattermost"},
        {
            "webhook_url": f"{url}/mattermost-more",
            "channel": "ops",
            "username": "n",
            "type": "custom_x",
            "icon_url": "http://i",
            "icon_emoji": ":x:",
            "color": "#123",
            "fields": FIELDS,
            "footer": "f",
            "image_url": "http://g",
            "thumb_url": "http://t",
            "props": {"card": f"card {LABEL}"},
            **chat,
            "priority": {"priority": "Urgent", "requested_ack": True, "persistent_notifications": True},
        },
        {
            "webhook_url": f"{url}/mattermost-attachments",
            "text": "x" * 17000,
            "attachments": [{"title": "one {{ .Status }}", "fields": FIELDS, **chat}, {"text": "two"}],
            "priority": {"priority": "high", "requested_ack": True},
        },
    ]
    found["incidentio_configs"] = [
        {
            "url": f"{url}/incidentio",
            "alert_source_token": "it",
            "metadata": {"job": LABEL, "fixed": "x", "empty": ""},
        },
        {
            "url": f"{url}/incidentio-one",
            "max_alerts": 1,
            "http_config": {"authorization": {"credentials": "own"}},
        },
    ]
    return found
