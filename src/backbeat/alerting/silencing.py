"""Silences: what may be silenced, how a silence may change, which silences mute a label set.

Pure but for its own memory; writing them down is the caller's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from backbeat.alerting.book import YEAR_9999_MS
from backbeat.alerting.matching import MatcherIndex
from backbeat.model.errors import BackbeatError
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state.records import Silence, SilenceState

MAX_SILENCES = 10_000
_PROBES = ("\x01probe", "zz-probe-zz")


class InvalidSilence(BackbeatError):
    """A silence that cannot be made; the message says why."""


class OverBroadSilence(InvalidSilence):
    """A silence that would mute nearly everything; it can be made when confirmed."""


class UnknownSilence(BackbeatError):
    """No silence has this id."""


class Silences:
    def __init__(self, silences: Iterable[Silence] = ()) -> None:
        self._by_id: dict[str, Silence] = {}
        self._numbers: dict[str, int] = {}
        self._index: MatcherIndex[str] = MatcherIndex()
        for silence in silences:
            self.keep(silence)

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[Silence]:
        return list(self._by_id.values())

    def get(self, silence_id: str) -> Silence:
        """Raises UnknownSilence."""
        try:
            return self._by_id[silence_id]
        except KeyError:
            raise UnknownSilence(f"silence {silence_id} not found") from None

    def muting(self, labels: Mapping[str, str], now_ms: int) -> tuple[str, ...]:
        """Ids of the active silences that accept these labels."""
        if not self._by_id:
            return ()
        return tuple(
            found
            for found in self._index.accepting(labels)
            if self._by_id[found].state(now_ms) is SilenceState.ACTIVE
        )

    def plan(self, wanted: Silence, now_ms: int, *, confirmed: bool = False) -> list[Silence]:
        """Plan to make (id empty) or change a silence. Returns what is to be kept, the resulting one last.

        A change that would rewrite history expires the old silence and makes a new one. Nothing mutes before
        it is kept, which follows its being written down. Raises InvalidSilence, OverBroadSilence (unless
        confirmed) or UnknownSilence.
        """
        wanted = replace(wanted, starts_at_ms=wanted.starts_at_ms or now_ms, updated_at_ms=now_ms)
        validate(wanted, now_ms)
        if not confirmed and is_over_broad(wanted.matchers):
            raise OverBroadSilence(
                "this silence would mute nearly every alert; narrow a matcher, or confirm that this is meant"
            )
        known = self.get(wanted.id) if wanted.id else None
        if known and _can_become(known, wanted, now_ms):
            return [wanted]
        if len(self._by_id) >= MAX_SILENCES:
            raise InvalidSilence(f"found {MAX_SILENCES} silences, which is the most that are kept")
        made = replace(wanted, id=str(uuid.uuid4()), starts_at_ms=max(wanted.starts_at_ms, now_ms))
        expired = self.plan_expiry(known.id, now_ms) if known else []
        return [*expired, made]

    def plan_expiry(self, silence_id: str, now_ms: int) -> list[Silence]:
        """Plan to end a silence now. Returns what is to be kept; nothing where it has ended already."""
        known = self.get(silence_id)
        if known.state(now_ms) is SilenceState.EXPIRED:
            return []
        ended = replace(
            known, starts_at_ms=min(known.starts_at_ms, now_ms), ends_at_ms=now_ms, updated_at_ms=now_ms
        )
        return [ended]

    def forget_ended_before(self, before_ms: int) -> int:
        old = [silence for silence in self._by_id.values() if silence.ends_at_ms < before_ms]
        for silence in old:
            self._index.discard(self._numbers.pop(silence.id), silence.matchers)
            del self._by_id[silence.id]
        return len(old)

    def keep(self, silence: Silence) -> None:
        """Let a silence, made or changed, take effect."""
        known = self._by_id.get(silence.id)
        if known is None:
            self._numbers[silence.id] = self._index.add(silence.id, silence.matchers)
        self._by_id[silence.id] = silence


def validate(silence: Silence, now_ms: int) -> None:
    """Raises InvalidSilence for one that Alertmanager refuses too."""
    if not silence.matchers:
        raise InvalidSilence("at least one matcher required")
    if any(not matcher.name for matcher in silence.matchers):
        raise InvalidSilence("invalid label name: found an empty one")
    # As Alertmanager has it, what a matcher excludes does not count: `job!="x"` alone is broad, and sound.
    if all(m.matches_empty and m.op in (MatchOp.EQUAL, MatchOp.REGEX) for m in silence.matchers):
        raise InvalidSilence("at least one matcher must not match the empty string")
    if silence.ends_at_ms <= silence.starts_at_ms:
        raise InvalidSilence("start time must be before end time")
    if silence.ends_at_ms > YEAR_9999_MS or silence.starts_at_ms < 0:
        raise InvalidSilence("start and end must lie between the years 1970 and 9999")
    if silence.ends_at_ms < now_ms:
        raise InvalidSilence("end time can't be in the past")


def is_over_broad(matchers: Sequence[Matcher]) -> bool:
    """Whether the matchers accept nearly any alert: none of them names a value or a real pattern.

    `alertname=~".+"` is over-broad, `job=~".+"` too in all but name; `job!="x"` mutes all others.
    """
    return not any(m.op is MatchOp.EQUAL and m.value for m in matchers) and all(
        all(matcher.matches(probe) for probe in _PROBES) for matcher in matchers
    )


def _can_become(known: Silence, wanted: Silence, now_ms: int) -> bool:
    if (known.matchers, known.schedule) != (wanted.matchers, wanted.schedule):
        return False
    state = known.state(now_ms)
    if state is SilenceState.ACTIVE:
        return known.starts_at_ms // 1000 == wanted.starts_at_ms // 1000 and wanted.ends_at_ms >= now_ms
    return state is SilenceState.PENDING and wanted.starts_at_ms >= now_ms
