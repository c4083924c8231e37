"""Handing messages to people: one small module a channel, built by `build_channels`."""

from backbeat.notify.channels import build_channels
from backbeat.notify.http import new_session

__all__ = ["build_channels", "new_session"]
