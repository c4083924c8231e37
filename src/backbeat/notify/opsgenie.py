"""Opsgenie: one alert a group, made, changed and closed by its alias."""

from __future__ import annotations

import asyncio

from yarl import URL

from backbeat.config.pagers import OpsgenieConfig, OpsgenieResponder
from backbeat.model.alerts import Delivery
from backbeat.notify.channel import HttpChannel
from backbeat.notify.http import Request, json_request, without_empty
from backbeat.notify.wording import Wording

_LONGEST_MESSAGE = 130


class OpsgenieChannel(HttpChannel[OpsgenieConfig]):
    kind = "opsgenie"

    async def deliver(self, wording: Wording) -> Delivery:
        """An alert that exists is not changed by being made again, so `update_alerts` asks for that apart."""
        delivery = Delivery(True)
        for request in await asyncio.to_thread(self._requests, wording):
            delivery = (await self.outlet.ask(request)).delivery
            if not delivery.ok:
                break
        return delivery

    def _requests(self, wording: Wording) -> list[Request]:
        key = wording.secret(self.config.api_key, "Opsgenie's API key")
        headers = {"Authorization": f"GenieKey {key}"}

        def asked(path: str, payload: object, method: str = "POST") -> Request:
            return json_request(str(self._url(path)), payload, headers, method=method)

        alias = wording.group_hash
        if wording.message.status == "resolved":
            return [asked(f"{alias}/close", {"source": wording(self.config.source)})]
        alert = self._alert(wording, alias)
        requests = [asked("", alert)]
        if self.config.update_alerts:
            for name in ("message", "description"):
                changed = without_empty({name: alert.get(name, "")})
                requests.append(asked(f"{alias}/{name}", changed, "PUT"))
        return requests

    def _url(self, path: str) -> URL:
        url = URL(self.config.api_url)
        url = url.with_path(f"{url.path.rstrip('/')}/v2/alerts{'/' if path else ''}{path}")
        return url.with_query(identifierType="alias") if path else url

    def _alert(self, wording: Wording, alias: str) -> dict[str, object]:
        config = self.config
        return {
            "alias": alias,
            "message": wording(config.message, longest=_LONGEST_MESSAGE),
            "details": dict(wording.message.common_labels) | wording.pairs(config.details),
            "source": wording(config.source),
            **without_empty(
                {
                    "description": wording(config.description),
                    "responders": [each for one in config.responders for each in _responders(wording, one)],
                    "tags": _split(wording.word(config.tags)),
                    "note": wording(config.note),
                    "priority": wording.word(config.priority),
                    "entity": wording(config.entity),
                    "actions": _split(wording.word(config.actions)),
                }
            ),
        }


def _responders(wording: Wording, responder: OpsgenieResponder) -> list[dict[str, object]]:
    """None where the templates leave it empty; several where it is a list of teams."""
    kind = wording.word(responder.type)
    name = wording.word(responder.name)
    if kind == "teams":
        return [{"name": team, "type": "team"} for team in _split(name)]
    who = without_empty(
        {"id": wording.word(responder.id), "name": name, "username": wording.word(responder.username)}
    )
    return [{**who, "type": kind}] if who or kind else []


def _split(text: str) -> list[str]:
    return [part for part in text.strip().split(",") if part]
