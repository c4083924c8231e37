"""Amazon SNS: a message published to a topic, an endpoint or a phone."""

from __future__ import annotations

import asyncio
import os

from msgspec.structs import replace

from backbeat.config.pagers import SnsConfig
from backbeat.model.alerts import Delivery
from backbeat.notify.aws import Account
from backbeat.notify.channel import HttpChannel, Tools
from backbeat.notify.wording import Wording, cut

_LONGEST_BYTES = 256 * 1024
_LONGEST_SMS = 1600
_LONGEST_SUBJECT = 100


class SnsChannel(HttpChannel[SnsConfig]):
    kind = "sns"

    def __init__(self, config: SnsConfig, tools: Tools) -> None:
        bundle = os.environ.get("AWS_CA_BUNDLE")
        tls = config.http.tls
        if bundle and not (tls.ca or tls.ca_file):
            config = replace(config, http=replace(config.http, tls=replace(tls, ca_file=bundle)))
        super().__init__(config, tools)
        self._account = Account(config.sigv4, self.outlet)

    async def deliver(self, wording: Wording) -> Delivery:
        form = await asyncio.to_thread(self._form, wording)
        url = wording.key(self.config.api_url, "SNS's api_url")
        return (await self.outlet.ask(await self._account.request("sns", form, url))).delivery

    def _form(self, wording: Wording) -> dict[str, str]:
        """Raises Unsendable."""
        config = self.config
        form = {"Action": "Publish", "Version": "2010-03-31"}
        if config.topic_arn:
            form["TopicArn"] = topic = wording.key(config.topic_arn, "SNS's topic_arn")
            if topic.endswith(".fifo"):
                form["MessageGroupId"] = wording.group_hash
                # Not the group's, as Alertmanager has it: SNS would drop what follows within five minutes.
                form["MessageDeduplicationId"] = wording.message.idempotency_key or wording.group_hash
        if config.phone_number:
            form["PhoneNumber"] = wording.key(config.phone_number, "SNS's phone_number")
        if config.target_arn:
            form["TargetArn"] = wording.key(config.target_arn, "SNS's target_arn")
        if config.subject:
            # SNS refuses a longer one, and line breaks in it.
            form["Subject"] = cut(" ".join(wording(config.subject).split()), _LONGEST_SUBJECT)
        attributes = {wording.word(name): wording(text) for name, text in config.attributes}
        longest = _LONGEST_SMS if config.phone_number else _LONGEST_BYTES
        message = wording(config.message).encode()
        if len(message) > longest:
            attributes["truncated"] = "true"
        form["Message"] = message[:longest].decode("utf-8", "ignore")
        return form | _numbered(attributes)


def _numbered(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes as AWS's forms list them."""
    form: dict[str, str] = {}
    for index, (name, value) in enumerate(attributes.items(), start=1):
        entry = f"MessageAttributes.entry.{index}"
        form |= {
            f"{entry}.Name": name,
            f"{entry}.Value.DataType": "String",
            f"{entry}.Value.StringValue": value,
        }
    return form
