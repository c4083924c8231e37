"""From the settings of receivers to channels that can send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backbeat.config.alertmanager import (
    AlertmanagerConfig,
    EmailConfig,
    Integration,
    SlackConfig,
    WebhookConfig,
)
from backbeat.config.chats import (
    AppriseConfig,
    DiscordConfig,
    MattermostConfig,
    MsteamsConfig,
    Msteamsv2Config,
    RocketchatConfig,
    TelegramConfig,
    WebexConfig,
    WechatConfig,
)
from backbeat.config.pagers import (
    IncidentioConfig,
    JiraConfig,
    OpsgenieConfig,
    PagerdutyConfig,
    PushoverConfig,
    SnsConfig,
    VictoropsConfig,
)
from backbeat.httpclient import Session
from backbeat.model.alerts import Channel
from backbeat.notify.apprise import AppriseChannel
from backbeat.notify.channel import Tools
from backbeat.notify.discord import DiscordChannel
from backbeat.notify.email import EmailChannel
from backbeat.notify.incidentio import IncidentioChannel
from backbeat.notify.jira import JiraChannel
from backbeat.notify.mattermost import MattermostChannel
from backbeat.notify.msteams import MsteamsChannel
from backbeat.notify.msteamsv2 import Msteamsv2Channel
from backbeat.notify.opsgenie import OpsgenieChannel
from backbeat.notify.pagerduty import PagerdutyChannel
from backbeat.notify.pushover import PushoverChannel
from backbeat.notify.rocketchat import RocketchatChannel
from backbeat.notify.slack import SlackChannel
from backbeat.notify.sns import SnsChannel
from backbeat.notify.telegram import TelegramChannel
from backbeat.notify.texts import Texts
from backbeat.notify.victorops import VictoropsChannel
from backbeat.notify.webex import WebexChannel
from backbeat.notify.webhook import WebhookChannel
from backbeat.notify.wechat import WechatChannel

_CHANNELS: dict[type[Integration], Callable[[Any, Tools], Channel]] = {
    AppriseConfig: AppriseChannel,
    DiscordConfig: DiscordChannel,
    EmailConfig: EmailChannel,
    IncidentioConfig: IncidentioChannel,
    JiraConfig: JiraChannel,
    MattermostConfig: MattermostChannel,
    MsteamsConfig: MsteamsChannel,
    Msteamsv2Config: Msteamsv2Channel,
    OpsgenieConfig: OpsgenieChannel,
    PagerdutyConfig: PagerdutyChannel,
    PushoverConfig: PushoverChannel,
    RocketchatConfig: RocketchatChannel,
    SlackConfig: SlackChannel,
    SnsConfig: SnsChannel,
    TelegramConfig: TelegramChannel,
    VictoropsConfig: VictoropsChannel,
    WebexConfig: WebexChannel,
    WebhookConfig: WebhookChannel,
    WechatConfig: WechatChannel,
}


def build_channels(config: AlertmanagerConfig, session: Session) -> dict[str, list[Channel]]:
    """The channels of each receiver, in the order of its settings. Use `notify.new_session()`."""
    tools = Tools(session, Texts(config.templates))
    return {
        receiver.name: [_CHANNELS[type(each)](each, tools) for each in receiver.integrations]
        for receiver in config.receivers
    }
