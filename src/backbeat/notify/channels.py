"""From the settings of receivers to channels that can send."""

from __future__ import annotations

from importlib import import_module

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
from backbeat.notify.channel import Tools
from backbeat.notify.texts import Texts

_CHANNELS: dict[type[Integration], str] = {
    AppriseConfig: "apprise.AppriseChannel",
    DiscordConfig: "discord.DiscordChannel",
    EmailConfig: "email.EmailChannel",
    IncidentioConfig: "incidentio.IncidentioChannel",
    JiraConfig: "jira.JiraChannel",
    MattermostConfig: "mattermost.MattermostChannel",
    MsteamsConfig: "msteams.MsteamsChannel",
    Msteamsv2Config: "msteamsv2.Msteamsv2Channel",
    OpsgenieConfig: "opsgenie.OpsgenieChannel",
    PagerdutyConfig: "pagerduty.PagerdutyChannel",
    PushoverConfig: "pushover.PushoverChannel",
    RocketchatConfig: "rocketchat.RocketchatChannel",
    SlackConfig: "slack.SlackChannel",
    SnsConfig: "sns.SnsChannel",
    TelegramConfig: "telegram.TelegramChannel",
    VictoropsConfig: "victorops.VictoropsChannel",
    WebexConfig: "webex.WebexChannel",
    WebhookConfig: "webhook.WebhookChannel",
    WechatConfig: "wechat.WechatChannel",
}


def build_channels(config: AlertmanagerConfig, session: Session) -> dict[str, list[Channel]]:
    """The channels of each receiver, in the order of its settings. Use `notify.new_session()`."""
    tools = Tools(session, Texts(config.templates))
    return {
        receiver.name: [channel_of(each, tools) for each in receiver.integrations]
        for receiver in config.receivers
    }


def channel_of(settings: Integration, tools: Tools) -> Channel:
    """The channel with these settings; its module is loaded now, for few of them are in use anywhere."""
    module, name = _CHANNELS[type(settings)].split(".")
    made: Channel = getattr(import_module(f"backbeat.notify.{module}"), name)(settings, tools)
    return made
