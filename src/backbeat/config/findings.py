"""What is wrong, or worth a word, in the files an operator wrote.

In:  findings of every reader and check of this package.
Out: `ConfigErrors` with all of them at once, or the warnings of a sound configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from backbeat.model.errors import BackbeatError, Position


class Finding(Struct, frozen=True):
    """One remark with its place; an error unless `is_warning`."""

    at: Position
    message: str
    is_warning: bool = False

    @property
    def sort_key(self) -> tuple[str, int, int, str]:
        return (self.at.path, self.at.line, self.at.column, self.message)

    def __str__(self) -> str:
        field = f"{self.at.field}: " if self.at.field else ""
        return f"{self.at}: {'warning: ' if self.is_warning else ''}{field}{self.message}"


class ConfigErrors(BackbeatError):
    """Every mistake that was found in the configuration, sorted by place. Warnings ride along."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda finding: finding.sort_key))
        super().__init__("\n".join(str(finding) for finding in self.errors))

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.is_warning)


class Findings:
    """Collects findings while files are read. The same remark at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def add(self, finding: Finding) -> None:
        self._found[finding] = None

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self._found, key=lambda finding: finding.sort_key))

    def __len__(self) -> int:
        return len(self._found)

    @property
    def error_count(self) -> int:
        return sum(not finding.is_warning for finding in self._found)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(str(finding) for finding in self if finding.is_warning)

    def raise_errors(self) -> None:
        """Raise ConfigErrors where there is at least one error."""
        if self.error_count:
            raise ConfigErrors(self)


def nearest_names(name: str, known: Iterable[str]) -> list[str]:
    """At most two of the known names that the writer may have meant, best first."""
    import difflib  # only where something is wrong: it costs milliseconds

    known = sorted(known)
    close = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.7)
    return close or [other for other in known if other.startswith(name.lower() + "_")][:2]
