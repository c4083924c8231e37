"""incident.io: the webhook's JSON to an alert source."""

from __future__ import annotations

import logging

from backbeat.config.pagers import IncidentioConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request
from backbeat.notify.webhook import payload
from backbeat.notify.wording import Wording, secret

_LONGEST_PAYLOAD = 512 * 1024
_log = logging.getLogger(__name__)


class IncidentioChannel(PostingChannel[IncidentioConfig]):
    kind = "incidentio"

    def request(self, wording: Wording) -> Request:
        """Of what is too long only the first alert is told: incident.io makes one alert of a group."""
        config = self.config
        url = secret(config.url, "incident.io's URL")
        token = secret(config.alert_source_token, "incident.io's alert source token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        more: dict[str, object] = {"version": "1"}
        if config.metadata:
            more["metadata"] = wording.pairs(config.metadata)
        request = json_request(url, payload(wording.message, config.max_alerts) | more, headers)
        if len(request.body) > _LONGEST_PAYLOAD:
            _log.warning("notify: receiver %s: alerts left out of a message", wording.message.receiver)
            request = json_request(url, payload(wording.message, 1) | more, headers)
        return request
