"""Handing messages to people: one small module a channel, built by `build_channels`."""

from backbeat.notify.addresses import new_session
from backbeat.notify.channels import build_channels

__all__ = ["build_channels", "new_session"]
