"""The NormalDance profile: the files that `backbeat init` writes, to start from and to change.

Prometheus and Alertmanager read the same files unchanged, but for backbeat.yml and alert_tests.yml.
"""

from __future__ import annotations

from pathlib import Path

from backbeat.model.errors import BackbeatError, WorldFailure

__all__ = ["PROFILE_FILES", "ProfileExistsError", "profile_text", "runbooks_path", "write_profile"]

PROFILE_FILES = (
    "prometheus.yml",
    "performance_alerts.yml",
    "alert_rules.yml",
    "watchdog_rules.yml",
    "alertmanager.yml",
    "alert_tests.yml",
    "backbeat.yml",
)
_HERE = Path(__file__).parent
_SECRETS_NOTE = """\
One secret a file, nothing else in it, mode 0600:

smtp_password       the password of smtp_auth_username in alertmanager.yml
slack_webhook_url   the address of the Slack incoming webhook
"""


class ProfileExistsError(BackbeatError):
    """Writing the profile would overwrite files that somebody may have changed."""


def profile_text(name: str) -> str:
    """The text of one of PROFILE_FILES."""
    return (_HERE / "files" / name).read_text(encoding="utf-8")


def runbooks_path() -> Path:
    """The runbooks that the alerts link to, as Markdown: in the installed package, or in a clone."""
    installed = _HERE / "runbooks.md"
    return installed if installed.exists() else _HERE.parents[2] / "docs" / "runbooks.md"


def write_profile(directory: Path) -> list[Path]:
    """Write the profile into `directory`, which is made if missing, and return the files written.

    Nothing is written if one of the files is there already.
    """
    files = {directory / name: profile_text(name) for name in PROFILE_FILES}
    if present := [path.name for path in files if path.exists()]:
        raise ProfileExistsError(
            f"{directory}: {', '.join(present)} would be overwritten; choose another directory, or move them"
        )
    secrets = directory / "secrets"
    files[secrets / "README.txt"] = _SECRETS_NOTE
    files[secrets / ".gitignore"] = "*\n!README.txt\n!.gitignore\n"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        secrets.mkdir(mode=0o700, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorldFailure(
            f"{error.filename or directory}: {error.strerror}; the profile was not written"
        ) from error
    return list(files)
