"""In whose name AWS is asked: keys of the settings, of the environment, or of AWS's own files.

Machines of AWS also hand out keys at link-local addresses. Those are not asked: no message may go there, and
a monitoring server should not act with the rights of its machine.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from backbeat.config.pagers import SigV4
from backbeat.model.errors import BackbeatError

_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


class NoAccount(BackbeatError):
    """Nobody says where or in whose name to ask; the text says what would."""


class Credentials(Struct, frozen=True):
    access_key: str
    secret_key: str
    session_token: str = ""


def find_account(settings: SigV4, environment: Mapping[str, str]) -> tuple[str, Credentials]:
    """Region and keys. Raises NoAccount; OSError or ValueError where the file of the secret key is gone."""
    profile = _profile(settings, environment)
    region = (
        settings.region
        or environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
        or profile.get("region")
    )
    if not region:
        raise NoAccount("no AWS region is known; set sigv4.region or the environment variable AWS_REGION")
    if settings.access_key:
        return region, Credentials(settings.access_key, settings.secret_key.read())
    if environment.get("AWS_ACCESS_KEY_ID") and not settings.profile:
        return region, Credentials(*(environment.get(name.upper(), "") for name in _NAMES))
    if not profile.get(_NAMES[0]):
        raise NoAccount(
            "no AWS keys are known; set sigv4.access_key and sigv4.secret_key, the environment variables "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials"
        )
    return region, Credentials(*(profile.get(name, "") for name in _NAMES))


def _profile(settings: SigV4, environment: Mapping[str, str]) -> dict[str, str]:
    """What AWS's files say of the profile; the file of credentials wins."""
    name = settings.profile or environment.get("AWS_PROFILE") or "default"
    home = Path(environment.get("HOME") or Path.home()) / ".aws"
    section = name if name == "default" else f"profile {name}"
    places = (
        (environment.get("AWS_CONFIG_FILE") or home / "config", section),
        (environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials", name),
    )
    found: dict[str, str] = {}
    for path, heading in places:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, ValueError):
            continue
        if parser.has_section(heading):
            found |= dict(parser[heading])
    return found
