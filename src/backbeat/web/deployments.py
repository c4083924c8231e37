"""What changed: new versions and restarts of services, found in the samples or told over the API.

In:  range results of three expressions. Out: one list of changes in the order of time.
- `backbeat_deployment{service, version}`: one sample a deployment that somebody told us of;
- `..._build_info{job, version}`, as exporters have it: a version that a job did not have before;
- `process_start_time_seconds`: a process that started anew.
A restart within `TOGETHER_MS` of a deployment of the same service is part of it.
Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from backbeat.model.results import Matrix, RawSamples

TOLD_METRIC = "backbeat_deployment"
VERSIONS = 'max by (job, version) ({__name__=~".+_build_info",version!=""})'
STARTS = "max by (job, instance) (process_start_time_seconds)"
TOGETHER_MS = 120_000


class Change(Struct, frozen=True):
    """A service was deployed or restarted at a moment; `version` is empty where it is not known."""

    at_ms: int
    kind: str
    service: str
    version: str = ""

    @property
    def words(self) -> str:
        return f"{self.service} {self.kind}" + (f": {self.version}" if self.version else "")


def told(samples: RawSamples) -> list[Change]:
    """A deployment for each sample of `TOLD_METRIC`."""
    return [
        Change(int(at_ms), "deployed", labels.get("service"), labels.get("version"))
        for block in samples.blocks
        for row, labels in enumerate(block.labels)
        for column, at_ms in enumerate(block.times)
        if block.present is None or block.present[row, column]
    ]


def new_versions(found: Matrix) -> list[Change]:
    """The first step of each version of a job but those it begins with."""
    firsts: dict[str, list[tuple[int, str]]] = {}
    for labels, present in zip(found.labels, found.present, strict=True):
        first_ms = int(found.steps[int(present.argmax())])
        firsts.setdefault(labels.get("job"), []).append((first_ms, labels.get("version")))
    changes = []
    for job, versions in firsts.items():
        began_ms = min(versions)[0]
        changes += [Change(at, "deployed", job, version) for at, version in versions if at > began_ms]
    return changes


def starts(found: Matrix, start_ms: int, end_ms: int) -> list[Change]:
    """Each start of a process in [start_ms, end_ms], once a second and job."""
    seen: set[tuple[str, int]] = set()
    for labels, values, present in zip(found.labels, found.values, found.present, strict=True):
        moments = {round(float(value) * 1000) for value in values[present]}
        seen |= {(labels.get("job"), at // 1000) for at in moments if start_ms <= at <= end_ms}
    return [Change(second * 1000, "restarted", job) for job, second in seen]


def in_order(deployed: Iterable[Change], restarted: Iterable[Change]) -> list[Change]:
    """All of them by time, without the restarts that belong to a deployment."""
    known = list(dict.fromkeys(deployed))
    alone = [
        each
        for each in restarted
        if not any(
            each.service == one.service and abs(each.at_ms - one.at_ms) <= TOGETHER_MS for one in known
        )
    ]
    return sorted([*known, *alone], key=lambda each: (each.at_ms, each.service, each.version))
