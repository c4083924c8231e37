"""The data of a notification as Alertmanager's templates know it: .Alerts.Firing, .CommonLabels.SortedPairs.

In:  labels, annotations and times of alerts. Out: Records, for `Template.render`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from backbeat.templating.errors import FunctionFailure
from backbeat.templating.functions.checks import text, texts
from backbeat.templating.gotime import Time
from backbeat.templating.values import Method, Record


class Strings(Record):
    """A list of texts that can join itself."""

    __slots__ = ("values",)
    go_type = "template.Strings"

    def __init__(self, values: Iterable[str]) -> None:
        self.values = tuple(values)

    def content(self) -> Sequence[str]:
        return self.values

    def methods(self) -> Mapping[str, Method]:
        return {"Join": lambda separator: text(separator).join(self.values)}


class Pair(Record):
    __slots__ = ("name", "value")
    go_type = "template.Pair"

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value

    def fields(self) -> Mapping[str, object]:
        return {"Name": self.name, "Value": self.value}


class Pairs(Record):
    """Names and values in order."""

    __slots__ = ("pairs",)
    go_type = "template.Pairs"

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs = tuple(pairs)

    def content(self) -> Sequence[Pair]:
        return self.pairs

    def text(self) -> str:
        return ", ".join(f"{pair.name}={pair.value}" for pair in self.pairs)

    def methods(self) -> Mapping[str, Method]:
        return {
            "Names": lambda: Strings(pair.name for pair in self.pairs),
            "Values": lambda: Strings(pair.value for pair in self.pairs),
            "String": self.text,
        }


class KV(Record):
    """Labels or annotations."""

    __slots__ = ("values",)
    go_type = "template.KV"

    def __init__(self, values: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self.values = dict(values)

    def content(self) -> Mapping[str, str]:
        return self.values

    def text(self) -> str:
        return self.sorted_pairs().text()

    def sorted_pairs(self) -> Pairs:
        """By name, the alert's name first."""
        names = sorted(self.values, key=lambda name: (name != "alertname", name))
        return Pairs(Pair(name, self.values[name]) for name in names)

    def methods(self) -> Mapping[str, Method]:
        pairs = self.sorted_pairs()
        return {
            "SortedPairs": lambda: pairs,
            "Names": pairs.methods()["Names"],
            "Values": pairs.methods()["Values"],
            "Remove": self._remove,
            "String": self.text,
        }

    def _remove(self, names: object) -> KV:
        gone = frozenset(texts(names))
        return KV((name, value) for name, value in self.values.items() if name not in gone)


class AlertRecord(Struct, Record, frozen=True):
    """One alert; `status` is firing or resolved. Not yet ended: `ends_at_ms` is 0."""

    go_type = "template.Alert"
    status: str
    labels: KV
    annotations: KV
    starts_at_ms: int
    ends_at_ms: int
    generator_url: str
    fingerprint: str

    def fields(self) -> Mapping[str, object]:
        return {
            "Status": self.status,
            "Labels": self.labels,
            "Annotations": self.annotations,
            "StartsAt": _time(self.starts_at_ms),
            "EndsAt": _time(self.ends_at_ms),
            "GeneratorURL": self.generator_url,
            "Fingerprint": self.fingerprint,
        }

    def json(self) -> object:
        return {name[0].lower() + name[1:]: value for name, value in self.fields().items()}


def _time(ms: int) -> Time:
    """Zero is Go's zero time, the first of January in the year 1."""
    try:
        return Time.of_ms(ms or -62_135_596_800_000)
    except FunctionFailure:
        return Time.of_ms(-62_135_596_800_000)


class Alerts(Record):
    __slots__ = ("alerts",)
    go_type = "template.Alerts"

    def __init__(self, alerts: Iterable[AlertRecord]) -> None:
        self.alerts = tuple(alerts)

    def content(self) -> Sequence[AlertRecord]:
        return self.alerts

    def methods(self) -> Mapping[str, Method]:
        return {
            "Firing": lambda: [alert for alert in self.alerts if alert.status == "firing"],
            "Resolved": lambda: [alert for alert in self.alerts if alert.status == "resolved"],
        }


class NotificationRecord(Struct, Record, frozen=True):
    """The dot of a notification's templates."""

    go_type = "*template.Data"
    receiver: str
    status: str
    alerts: Alerts
    group_labels: KV = field(default_factory=KV)
    common_labels: KV = field(default_factory=KV)
    common_annotations: KV = field(default_factory=KV)
    route_labels: KV = field(default_factory=KV)
    external_url: str = ""
    reason: str = ""

    def fields(self) -> Mapping[str, object]:
        return {
            "Receiver": self.receiver,
            "Status": self.status,
            "Alerts": self.alerts,
            "NotificationReason": self.reason,
            "GroupLabels": self.group_labels,
            "CommonLabels": self.common_labels,
            "CommonAnnotations": self.common_annotations,
            "RouteLabels": self.route_labels,
            "ExternalURL": self.external_url,
        }

    def json(self) -> object:
        names = {"NotificationReason": "notification_reason"}
        return {names.get(name, name[0].lower() + name[1:]): value for name, value in self.fields().items()}


def common(maps: Sequence[Mapping[str, str]]) -> KV:
    """What all of the label sets (or annotations) have alike."""
    if not maps:
        return KV()
    first, *others = maps
    return KV((name, value) for name, value in first.items() if all(one.get(name) == value for one in others))
