"""The book of current alerts: checks what comes in and merges it with what is known.

Pure but for its own memory. Rules send a firing alert again and again with a later end; that is told
apart from a change worth storing.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels
from backbeat.state.records import StoredAlert

MAX_ALERTS = 100_000
YEAR_9999_MS = 253_402_300_799_999
_YEAR_1_MS = -62_135_596_800_000
_MAX_LABELS = 40
_MAX_NAME_BYTES = 256
_MAX_VALUE_BYTES = 4096
_MAX_ANNOTATION_BYTES = 65_536


class Entry(Struct):
    """One current alert and the groups that hold it (by their identity in `groups`)."""

    fingerprint: str
    alert: Alert
    by_timeout: bool
    groups: set[tuple[str, Labels]] = field(default_factory=set)

    @property
    def stored(self) -> StoredAlert:
        return StoredAlert(self.fingerprint, self.alert, self.by_timeout)


class Change(Struct, frozen=True):
    """What an incoming alert did to the book."""

    entry: Entry
    worth_storing: bool
    began: bool = False
    ended: bool = False


class Book:
    def __init__(self) -> None:
        self._by_labels: dict[Labels, Entry] = {}
        self._by_fingerprint: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._by_labels)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_labels.values())

    def get(self, fingerprint: str) -> Entry | None:
        return self._by_fingerprint.get(fingerprint)

    def knows(self, labels: Labels) -> bool:
        return labels in self._by_labels

    def put(self, stored: StoredAlert) -> Entry:
        """Take in an alert as it was stored."""
        entry = Entry(stored.fingerprint, stored.alert, stored.by_timeout)
        self._by_labels[stored.alert.labels] = entry
        self._by_fingerprint[entry.fingerprint] = entry
        return entry

    def remove(self, entry: Entry) -> None:
        self._by_labels.pop(entry.alert.labels, None)
        self._by_fingerprint.pop(entry.fingerprint, None)

    def receive(
        self, sent: Alert, now_ms: int, resolve_timeout_ms: int, fingerprint: str = ""
    ) -> Change | None:
        """Merge one valid alert; None where it ends what was never known.

        fingerprint: its own, where the caller has computed it
        """
        by_timeout = sent.ends_at_ms == 0
        alert = replace(
            sent,
            starts_at_ms=sent.starts_at_ms or sent.ends_at_ms or now_ms,
            ends_at_ms=sent.ends_at_ms or now_ms + resolve_timeout_ms,
            updated_at_ms=now_ms,
        )
        entry = self._by_labels.get(alert.labels)
        if entry is None:
            if alert.resolved_at(now_ms):
                return None
            stored = StoredAlert(fingerprint or alert.fingerprint, alert, by_timeout)
            return Change(self.put(stored), True, began=True)
        known = entry.alert
        if _overlap(known, alert):
            alert = _merge(known, alert, entry.by_timeout, now_ms)
        was_firing, fires = not known.resolved_at(now_ms), not alert.resolved_at(now_ms)
        same = (
            was_firing == fires
            and known.starts_at_ms == alert.starts_at_ms
            and known.annotations == alert.annotations
            and known.generator_url == alert.generator_url
        )
        if same and not fires and known.ends_at_ms == alert.ends_at_ms:
            # Senders repeat a resolved alert for a while; it must not look like news.
            return Change(entry, worth_storing=False)
        entry.alert, entry.by_timeout = alert, by_timeout
        began, ended = fires and not was_firing, was_firing and not fires
        return Change(entry, not (same and fires), began=began, ended=ended)


def _overlap(known: Alert, new: Alert) -> bool:
    return (
        known.starts_at_ms < new.ends_at_ms < known.ends_at_ms
        or known.starts_at_ms < new.starts_at_ms < known.ends_at_ms
    )


def _merge(known: Alert, new: Alert, known_by_timeout: bool, now_ms: int) -> Alert:
    """The earliest start; the new end, unless the known one is later and was given by the sender."""
    ends_at_ms = new.ends_at_ms
    if known.ends_at_ms > new.ends_at_ms:
        keeps_known = known.resolved_at(now_ms) if new.resolved_at(now_ms) else not known_by_timeout
        ends_at_ms = known.ends_at_ms if keeps_known else ends_at_ms
    return replace(new, starts_at_ms=min(known.starts_at_ms, new.starts_at_ms), ends_at_ms=ends_at_ms)


def why_invalid(alert: Alert) -> str:
    """What is wrong with an alert that was sent to us, or an empty string."""
    if not alert.labels:
        return "at least one label pair required"
    if alert.ends_at_ms and alert.starts_at_ms > alert.ends_at_ms:
        return "start time must be before end time"
    if not (_YEAR_1_MS <= alert.starts_at_ms <= YEAR_9999_MS and alert.ends_at_ms <= YEAR_9999_MS):
        return "start and end must lie between the years 1 and 9999"
    if len(alert.labels) > _MAX_LABELS:
        return f"found {len(alert.labels)} labels, expected {_MAX_LABELS} or fewer"
    return _why_unfit(alert.labels, _MAX_VALUE_BYTES) or _why_unfit(alert.annotations, _MAX_ANNOTATION_BYTES)


def _why_unfit(pairs: Labels, limit: int) -> str:
    """What is wrong with the names and values, or an empty string."""
    texts = [text for pair in pairs for text in pair]
    if not texts:
        return ""
    # A quick look is enough for nearly all: short, ASCII, and no empty name, which would be the first.
    if texts[0] and len(max(texts, key=len)) <= _MAX_NAME_BYTES and "".join(texts).isascii():
        return ""
    for name, value in pairs:
        if not name:
            return 'invalid label set: invalid name ""'
        if len(name) > _MAX_NAME_BYTES or not _is_utf8(name):
            return f"invalid name {name[:40]!r}: expected 1 to {_MAX_NAME_BYTES} characters of UTF-8"
        if len(value) > limit or not _is_utf8(value):
            return f"invalid value of {name}: found {len(value)} characters, expected UTF-8 up to {limit}"
    return ""


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
