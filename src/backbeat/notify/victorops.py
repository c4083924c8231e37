"""VictorOps (Splunk On-Call): its generic REST endpoint; one incident a group."""

from __future__ import annotations

from yarl import URL

from backbeat.config.pagers import VictoropsConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request
from backbeat.notify.wording import Wording

_LONGEST_STATE = 20_480
_TRIGGER, _RESOLVE = "CRITICAL", "RECOVERY"
_WHILE_FIRING = frozenset({"INFO", "WARNING", _TRIGGER})


class VictoropsChannel(PostingChannel[VictoropsConfig]):
    kind = "victorops"

    def request(self, wording: Wording) -> Request:
        config = self.config
        key = wording.secret(config.api_key, "VictorOps's API key")
        base = URL(config.api_url)
        routing_key = wording.key(config.routing_key, "VictorOps's routing key")
        url = base.with_path(f"{base.path.rstrip('/')}/{key}/{routing_key}")
        said = {
            "message_type": self._message_type(wording),
            "entity_id": wording.group_hash,
            "entity_display_name": wording(config.entity_display_name),
            "state_message": wording(config.state_message, longest=_LONGEST_STATE),
            "monitoring_tool": wording(config.monitoring_tool),
        }
        return json_request(str(url), said | wording.pairs(config.custom_fields), secrets=(key,))

    def _message_type(self, wording: Wording) -> str:
        if wording.message.status == "resolved":
            return _RESOLVE
        wanted = wording.word(self.config.message_type)
        return wanted if wanted in _WHILE_FIRING else _TRIGGER
