"""Requests to services of AWS in the name of one account, or of a role that it may take."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from yarl import URL

from backbeat.config.aws import Credentials, NoAccount, find_account
from backbeat.config.pagers import SigV4
from backbeat.notify.http import Outlet, Request
from backbeat.notify.sigv4 import signed
from backbeat.notify.wording import Unsendable

_FORM = "application/x-www-form-urlencoded"
_ROLE_LASTS_S = 3000.0
"""of the hour that AWS gives"""
_KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken")


class Account:
    def __init__(self, settings: SigV4, outlet: Outlet, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._outlet = outlet
        self._environment = environment
        self._role: Credentials | None = None
        self._role_ends_s = 0.0

    async def request(self, service: str, form: Mapping[str, str], url: str = "") -> Request:
        """A signed request. url: empty for the service's own. Raises Unsendable."""
        try:
            region, who = await asyncio.to_thread(find_account, self._settings, self._environment)
        except NoAccount as error:
            raise Unsendable(str(error)) from error
        except (OSError, ValueError) as error:
            raise Unsendable("the AWS secret key cannot be read", retry=True) from error
        if self._settings.role_arn:
            who = await self._assumed(region, who)
        return _request(url or _endpoint(service, region), form, region, service, who)

    async def _assumed(self, region: str, who: Credentials) -> Credentials:
        """The role's own keys, kept while they last. Raises Unsendable."""
        if self._role is not None and time.monotonic() < self._role_ends_s:
            return self._role
        form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": self._settings.role_arn,
            "RoleSessionName": self._settings.session_name or "backbeat",
        }
        for number, (key, value) in enumerate(self._settings.tags, start=1):
            form |= {f"Tags.member.{number}.Key": key, f"Tags.member.{number}.Value": value}
        if self._settings.external_id:
            form["ExternalId"] = self._settings.external_id
        service = "sts-fips" if self._settings.use_fips_sts_endpoint else "sts"
        url = self._environment.get("AWS_ENDPOINT_URL_STS") or _endpoint(service, region)
        answer = await self._outlet.ask(_request(url, form, region, "sts", who))
        if not answer.delivery.ok:
            told = f"the AWS role was not given: {answer.delivery.detail}"
            raise Unsendable(told, retry=answer.delivery.retry)
        said = answer.body.decode("utf-8", "replace")
        keys = [match[1] for name in _KEYS if (match := re.search(f"<{name}>([^<]+)</{name}>", said))]
        if len(keys) < len(_KEYS):
            raise Unsendable("the AWS role was not given: the answer holds no keys", retry=True)
        self._role = Credentials(*keys)
        self._role_ends_s = time.monotonic() + _ROLE_LASTS_S
        return self._role


def _endpoint(service: str, region: str) -> str:
    return f"https://{service}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}/"


def _request(url: str, form: Mapping[str, str], region: str, service: str, who: Credentials) -> Request:
    body = urlencode(form).encode()
    headers = signed(URL(url), body, _FORM, region=region, service=service, who=who, now_s=time.time())
    return Request(url, body, headers, secrets=(who.secret_key, who.access_key))
