"""WeChat Work: a message of an application, with an access token that is asked for now and then."""

from __future__ import annotations

import asyncio
import time

from msgspec.structs import replace
from yarl import URL

from backbeat.config.chats import WechatConfig
from backbeat.model.alerts import Delivery
from backbeat.notify.channel import HttpChannel
from backbeat.notify.http import Answer, Request, json_request, without_empty
from backbeat.notify.wording import Unsendable, Wording

_TOKEN_LASTS_S = 7200
_TOKEN_IS_OVER = frozenset({40014, 42001})
_TRY_AGAIN = frozenset({-1, 45009, 45033})
"""busy; asked too often"""


class WechatChannel(HttpChannel[WechatConfig]):
    kind = "wechat"
    _token = ""
    _token_ends_s = 0.0

    async def deliver(self, wording: Wording) -> Delivery:
        token = await self._access_token(wording)
        request = await asyncio.to_thread(self._request, wording, token)
        answer = await self.outlet.ask(request)
        delivery = _understood(answer)
        if answer.json.get("errcode") in _TOKEN_IS_OVER:
            self._token = ""
        return delivery

    async def _access_token(self, wording: Wording) -> str:
        """Raises Unsendable."""
        if self._token and time.monotonic() < self._token_ends_s:
            return self._token
        secret = wording.secret(self.config.api_secret, "WeChat's API secret")
        corp = wording.key(self.config.corp_id, "WeChat's corp_id")
        url = self._url("gettoken").with_query(corpid=corp, corpsecret=secret)
        answer = await self.outlet.ask(Request(str(url), secrets=(secret,), method="GET"))
        token = answer.json.get("access_token")
        if not isinstance(token, str) or not token:
            delivery = _understood(answer)
            raise Unsendable(f"WeChat gave no access token: {delivery.detail}", retry=delivery.retry)
        lasts_s = answer.json.get("expires_in")
        lasts_s = lasts_s if isinstance(lasts_s, int) and lasts_s > 0 else _TOKEN_LASTS_S
        self._token, self._token_ends_s = token, time.monotonic() + min(lasts_s, _TOKEN_LASTS_S)
        return token

    def _request(self, wording: Wording, token: str) -> Request:
        config = self.config
        kind = config.message_type or "text"
        said = {
            "msgtype": kind,
            kind: {"content": wording(config.message)},
            "safe": "0",
            **without_empty(
                {
                    "touser": wording.word(config.to_user),
                    "toparty": wording.word(config.to_party),
                    "totag": wording.word(config.to_tag),
                    "agentid": wording.word(config.agent_id),
                }
            ),
        }
        url = self._url("message/send").with_query(access_token=token)
        return json_request(str(url), said, secrets=(token,))

    def _url(self, path: str) -> URL:
        url = URL(self.config.api_url)
        return url.with_path(f"{url.path.rstrip('/')}/{path}")


def _understood(answer: Answer) -> Delivery:
    """WeChat answers refusals with 200 and a code."""
    code = answer.json.get("errcode", 0)
    if not answer.delivery.ok or code == 0:
        return answer.delivery
    return replace(answer.delivery, ok=False, retry=code in _TOKEN_IS_OVER | _TRY_AGAIN)
