"""PagerDuty: events of version 2 with a routing key, of version 1 with a service key.

The events of one group have one deduplication key, so that PagerDuty makes one incident of them and ends it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import orjson
from msgspec.structs import replace

from backbeat.config.pagers import PagerdutyConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request, without_empty
from backbeat.notify.wording import Unsendable, Wording

_V1_URL = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
_LONGEST_EVENT = 512_000
_LONGEST_SUMMARY = 1024
_DEFAULT_SEVERITY = "error"
_DEFAULT_DETAILS = {
    "firing": "{{ .Alerts.Firing | toJson }}",
    "resolved": "{{ .Alerts.Resolved | toJson }}",
    "num_firing": "{{ .Alerts.Firing | len }}",
    "num_resolved": "{{ .Alerts.Resolved | len }}",
}
_TOO_LONG = "Custom details have been removed because the original event exceeds the maximum size of 512KB"
_log = logging.getLogger(__name__)


class PagerdutyChannel(PostingChannel[PagerdutyConfig]):
    kind = "pagerduty"

    def retried(self) -> Collection[int]:
        # Version 1 answers 403 where it is asked too often.
        return (403,) if self.config.service_key else ()

    def request(self, wording: Wording) -> Request:
        config = self.config
        is_v1 = bool(config.service_key)
        what = "PagerDuty's service key" if is_v1 else "PagerDuty's routing key"
        key = wording.secret(config.service_key if is_v1 else config.routing_key, what)
        if not key:
            raise Unsendable(f"{what} is empty")
        details = {name: wording.filled(value) for name, value in self._details().items()}
        url = _V1_URL if is_v1 else config.url
        event = self._v1 if is_v1 else self._v2
        request = json_request(url, event(wording, key, details), secrets=(key,))
        if len(request.body) > _LONGEST_EVENT:
            _log.warning("notify: receiver %s: details left out of an event", wording.message.receiver)
            request = replace(request, body=orjson.dumps(event(wording, key, {"error": _TOO_LONG})))
        return request

    def _details(self) -> dict[str, object]:
        return {**_DEFAULT_DETAILS, **dict(self.config.details)}

    def _v1(self, wording: Wording, key: str, details: dict[str, object]) -> dict[str, object]:
        config, is_firing = self.config, wording.message.status == "firing"
        return without_empty(
            {
                "service_key": key,
                "event_type": "trigger" if is_firing else "resolve",
                "incident_key": wording.group_hash,
                "description": wording(config.description, longest=_LONGEST_SUMMARY),
                "details": details,
                "client": wording(config.client) if is_firing else "",
                "client_url": wording(config.client_url) if is_firing else "",
            }
        )

    def _v2(self, wording: Wording, key: str, details: dict[str, object]) -> dict[str, object]:
        config = self.config
        images = (
            {"src": wording.word(each.src), "alt": wording(each.alt), "href": wording.word(each.href)}
            for each in config.images
        )
        links = ({"href": wording.word(each.href), "text": wording(each.text)} for each in config.links)
        return without_empty(
            {
                "routing_key": key,
                "event_action": "trigger" if wording.message.status == "firing" else "resolve",
                "dedup_key": wording.group_hash,
                "client": wording(config.client),
                "client_url": wording(config.client_url),
                "images": [image for image in images if image["src"]],
                "links": [link for link in links if link["href"]],
                "payload": {
                    # PagerDuty refuses an event without these three.
                    "summary": wording(config.description, longest=_LONGEST_SUMMARY),
                    "source": wording(config.source or config.client),
                    "severity": wording.word(config.severity or _DEFAULT_SEVERITY, _DEFAULT_SEVERITY),
                    **without_empty(
                        {
                            "class": wording(config.class_),
                            "component": wording(config.component),
                            "group": wording(config.group),
                            "custom_details": details,
                        }
                    ),
                },
            }
        )
