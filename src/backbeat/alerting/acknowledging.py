"""Acknowledgements: which firing alerts somebody looks after, and what ends that.

An acknowledgement is of one alert and holds in every group that has it. A group is not repeated while each of
its firing alerts is acknowledged; what is new in it (a further alert, a resolution) is told all the same.
It ends when the alert resolves, when somebody takes it back, or when its severity rises: another alert begins
whose labels are the same but for `severity` (and `alertname`, since rules of several levels often have names
of their own) and whose severity is worse. Pure but for its own memory.
"""

from __future__ import annotations

from collections.abc import Iterable

from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels
from backbeat.model.severity import rank
from backbeat.state.records import Acknowledgement, Event, EventKind

ALERT_RESOLVED = "the alert resolved"


class UnknownAlert(BackbeatError):
    """No alert that fires is meant, or none that is acknowledged."""


class Acknowledgements:
    def __init__(self) -> None:
        self._by_fingerprint: dict[str, Acknowledgement] = {}
        self._by_subject: dict[Labels, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_fingerprint)

    def all(self) -> list[Acknowledgement]:
        return list(self._by_fingerprint.values())

    def get(self, fingerprint: str) -> Acknowledgement | None:
        return self._by_fingerprint.get(fingerprint)

    def among(self, fingerprints: Iterable[str]) -> dict[str, str]:
        """Those of the alerts that are acknowledged, with by whom."""
        known = self._by_fingerprint
        if not known:
            return {}
        return {name: known[name].created_by for name in fingerprints if name in known}

    def keep(self, acknowledgement: Acknowledgement) -> None:
        self._by_fingerprint[acknowledgement.fingerprint] = acknowledgement
        subject = _subject(acknowledgement.labels)
        self._by_subject.setdefault(subject, set()).add(acknowledgement.fingerprint)

    def end(self, fingerprint: str) -> Acknowledgement | None:
        """Forget one; None where there was none."""
        ended = self._by_fingerprint.pop(fingerprint, None)
        if ended is not None:
            subject = _subject(ended.labels)
            self._by_subject[subject].discard(fingerprint)
            if not self._by_subject[subject]:
                del self._by_subject[subject]
        return ended

    def risen(self, began: Labels) -> list[str]:
        """The acknowledged alerts whose severity rises with an alert that began."""
        if not self._by_fingerprint:
            return []
        worst = rank(began.get("severity"))
        return sorted(
            fingerprint
            for fingerprint in self._by_subject.get(_subject(began), ())
            if _is_same_kind(own := self._by_fingerprint[fingerprint].labels, began)
            and worst < rank(own.get("severity"))
        )


def _subject(labels: Labels) -> Labels:
    return labels.drop("alertname", "severity")


def _is_same_kind(acknowledged: Labels, began: Labels) -> bool:
    """Alerts that say nothing but their names have nothing in common unless the name."""
    return bool(_subject(began)) or acknowledged.get("alertname") == began.get("alertname")


def acknowledged_event(made: Acknowledgement) -> Event:
    return Event(
        made.at_ms,
        EventKind.ACKNOWLEDGED,
        made.fingerprint,
        reason=f"by {made.created_by}",
        detail=made.comment,
        labels=made.labels,
    )


def ended_event(ended: Acknowledgement, why: str, now_ms: int) -> Event:
    return Event(
        now_ms,
        EventKind.UNACKNOWLEDGED,
        ended.fingerprint,
        reason=why,
        detail=f"it was acknowledged by {ended.created_by}",
        labels=ended.labels,
    )
