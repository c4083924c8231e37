"""The pure decisions, as tables: deduplication, time intervals, inhibition, silences, merging, backoff."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from alert_story import equal
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backbeat.alerting.book import Book, why_invalid
from backbeat.alerting.dedup import Reason, decide, needs_notify
from backbeat.alerting.inhibition import Inhibitor
from backbeat.alerting.outbox import backoff_ms
from backbeat.alerting.silencing import (
    InvalidSilence,
    OverBroadSilence,
    Silences,
    UnknownSilence,
    is_over_broad,
)
from backbeat.config.alertmanager import InhibitRule, TimeInterval, TimeRange
from backbeat.config.interval_clock import contains
from backbeat.model.alerts import Alert
from backbeat.model.fingerprints import fingerprint, fingerprints
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state.records import Destination, LogEntry, Silence, SilenceState

TO = Destination("{}:{}", "team", "webhook[0]")


def told(firing: str = "", resolved: str = "", at_ms: int = 0) -> LogEntry:
    return LogEntry(TO, frozenset(firing), frozenset(resolved), at_ms, 0)


@pytest.mark.parametrize(
    ("entry", "firing", "resolved", "send_resolved", "now_ms", "reason"),
    [
        (None, "a", "", True, 0, Reason.FIRST_NOTIFICATION),
        (None, "", "a", True, 0, Reason.NEVER_TOLD),
        (told("a"), "ab", "", True, 0, Reason.NEW_ALERTS_IN_GROUP),
        (told("", "a"), "a", "", True, 0, Reason.FIRST_NOTIFICATION),
        (told("a"), "", "a", True, 0, Reason.ALL_RESOLVED),
        (told("a"), "", "a", False, 0, Reason.ALL_RESOLVED),
        (told("", "a"), "", "a", True, 0, Reason.NOTHING_CHANGED),
        (told("", "a"), "", "b", True, 0, Reason.NEVER_TOLD),
        (told("ab"), "a", "b", True, 0, Reason.SOME_RESOLVED),
        (told("ab"), "a", "b", False, 0, Reason.NOTHING_CHANGED),
        (told("a", "b"), "a", "b", True, 0, Reason.NOTHING_CHANGED),
        (told("a"), "a", "", True, 100, Reason.NOTHING_CHANGED),
        (told("a"), "a", "", True, 101, Reason.REPEAT_INTERVAL_ELAPSED),
    ],
)
def test_needs_notify_decides_as_alertmanagers_dedup_stage(
    entry: LogEntry | None, firing: str, resolved: str, send_resolved: bool, now_ms: int, reason: Reason
) -> None:
    found = needs_notify(
        entry,
        frozenset(firing),
        frozenset(resolved),
        send_resolved=send_resolved,
        repeat_interval_ms=100,
        now_ms=now_ms,
    )
    assert found is reason


def test_a_channel_without_send_resolved_logs_the_resolution_and_shows_nothing() -> None:
    decision = decide(
        told("a"),
        None,
        frozenset(),
        frozenset("a"),
        send_resolved=False,
        repeat_interval_ms=100,
        now_ms=0,
    )
    assert (decision.reason, decision.sends) == (Reason.ALL_RESOLVED, False)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


NINE_TO_FIVE = (TimeRange(9 * 60, 17 * 60),)
NIGHT_HOUR = TimeInterval(times=(TimeRange(2 * 60, 3 * 60),), location="Europe/Berlin")


@pytest.mark.parametrize(
    ("interval", "moment", "inside"),
    [
        pytest.param(TimeInterval(), at("2026-01-01T00:00"), True, id="no field accepts all"),
        pytest.param(TimeInterval(times=NINE_TO_FIVE), at("2026-01-01T09:00"), True, id="start is inside"),
        pytest.param(TimeInterval(times=NINE_TO_FIVE), at("2026-01-01T17:00"), False, id="end is outside"),
        pytest.param(TimeInterval(times=(TimeRange(0, 1440),)), at("2026-01-01T23:59"), True, id="24:00"),
        pytest.param(TimeInterval(weekdays=((0, 0),)), at("2026-01-04T12:00"), True, id="0 is Sunday"),
        pytest.param(TimeInterval(weekdays=((1, 5),)), at("2026-01-03T12:00"), False, id="Saturday"),
        pytest.param(TimeInterval(weekdays=((5, 1),)), at("2026-01-02T12:00"), True, id="Friday to Monday"),
        pytest.param(
            TimeInterval(weekdays=((5, 1),)), at("2026-01-04T12:00"), True, id="over the week's end"
        ),
        pytest.param(TimeInterval(weekdays=((5, 1),)), at("2026-01-06T12:00"), False, id="Tuesday"),
        pytest.param(TimeInterval(days_of_month=((-1, -1),)), at("2028-02-29T12:00"), True, id="leap day"),
        pytest.param(TimeInterval(days_of_month=((-7, -1),)), at("2026-02-21T12:00"), False, id="8th last"),
        pytest.param(TimeInterval(days_of_month=((31, 31),)), at("2026-02-28T12:00"), False, id="no 31st"),
        pytest.param(TimeInterval(days_of_month=((25, 31),)), at("2026-02-28T12:00"), True, id="clamped"),
        pytest.param(TimeInterval(months=((1, 3),), years=((2026, 2027),)), at("2027-03-31T00:00"), True),
        pytest.param(TimeInterval(months=((1, 3),), years=((2026, 2027),)), at("2028-03-31T00:00"), False),
        pytest.param(
            TimeInterval(times=NINE_TO_FIVE, location="Asia/Tokyo"), at("2026-01-01T00:30"), True, id="zone"
        ),
        pytest.param(
            replace(NIGHT_HOUR, times=NINE_TO_FIVE), at("2026-07-01T07:00"), True, id="summer time counts"
        ),
        pytest.param(NIGHT_HOUR, at("2026-03-29T01:30"), False, id="the hour that summer time skips"),
        pytest.param(NIGHT_HOUR, at("2026-10-25T00:30"), True, id="the hour that comes twice, first"),
        pytest.param(NIGHT_HOUR, at("2026-10-25T01:30"), True, id="the hour that comes twice, second"),
    ],
)
def test_a_time_interval_holds_a_moment(interval: TimeInterval, moment: int, inside: bool) -> None:
    assert contains(interval, moment) is inside


def test_inhibition_needs_equal_labels_and_absent_ones_are_equal_when_both_are_absent() -> None:
    inhibitor = Inhibitor(
        [InhibitRule(equal(s="1"), equal(t="1"), ("cluster", "zone"), name="big over small")]
    )
    inhibitor.add("source", Labels.of(s="1", cluster="a"))
    inhibitor.add("near", Labels.of(t="1", cluster="a"))
    inhibitor.add("far", Labels.of(t="1", cluster="b"))
    inhibitor.add("zoned", Labels.of(t="1", cluster="a", zone="x"))
    found = inhibitor.inhibition("near", lambda _: True)
    assert found is not None
    assert (found.rule, found.source) == ("big over small", "source")
    assert inhibitor.inhibition("far", lambda _: True) is None
    assert inhibitor.inhibition("zoned", lambda _: True) is None
    assert inhibitor.inhibition("near", lambda _: False) is None
    inhibitor.discard("source")
    assert inhibitor.inhibition("near", lambda _: True) is None


def test_a_two_sided_source_does_not_hide_a_plain_one() -> None:
    inhibitor = Inhibitor([InhibitRule(equal(s="1"), equal(t="1"), ("c",))])
    inhibitor.add("both", Labels.of(s="1", t="1", c="x"))
    inhibitor.add("other", Labels.of(s="1", t="1", c="x", more="y"))
    assert inhibitor.inhibition("both", lambda _: True) is None
    inhibitor.add("plain", Labels.of(s="1", c="x"))
    found = inhibitor.inhibition("both", lambda _: True)
    assert found is not None
    assert found.source == "plain"


def silence(*matchers: Matcher, starts: int = 0, ends: int = 1000, silence_id: str = "") -> Silence:
    return Silence(silence_id, matchers or equal(a="x"), starts, ends)


def test_a_silence_of_all_but_one_is_sound_as_alertmanager_has_it_and_wants_to_be_confirmed() -> None:
    wanted = silence(Matcher("a", MatchOp.NOT_EQUAL, "x"))
    with pytest.raises(OverBroadSilence):
        Silences().plan(wanted, 50)
    assert Silences().plan(wanted, 50, confirmed=True)[-1].matchers == wanted.matchers


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (replace(silence(), matchers=()), "at least one matcher required"),
        (silence(Matcher("a", MatchOp.REGEX, ".*")), "must not match the empty string"),
        (silence(starts=900, ends=900), "start time must be before end time"),
        (silence(starts=1, ends=50), "end time can't be in the past"),
        (silence(ends=10**18), "between the years 1970 and 9999"),
    ],
)
def test_a_silence_that_alertmanager_refuses_is_refused(wanted: Silence, says: str) -> None:
    with pytest.raises(InvalidSilence, match=says):
        Silences().plan(wanted, 100)


@pytest.mark.parametrize(
    ("matchers", "broad"),
    [
        ((Matcher("alertname", MatchOp.REGEX, ".+"),), True),
        ((Matcher("job", MatchOp.NOT_EQUAL, ""), Matcher("a", MatchOp.NOT_EQUAL, "x")), True),
        ((Matcher("alertname", MatchOp.REGEX, ".+"), Matcher("job", MatchOp.EQUAL, "api")), False),
        ((Matcher("alertname", MatchOp.REGEX, "High.*"),), False),
    ],
)
def test_a_silence_of_nearly_everything_needs_confirmation(
    matchers: tuple[Matcher, ...], broad: bool
) -> None:
    assert is_over_broad(matchers) is broad
    if broad:
        with pytest.raises(OverBroadSilence):
            Silences().plan(silence(*matchers), 0)
    assert Silences().plan(silence(*matchers), 0, confirmed=True)


def planned(silences: Silences, wanted: Silence, now_ms: int) -> list[Silence]:
    kept = silences.plan(wanted, now_ms)
    for each in kept:
        silences.keep(each)
    return kept


def expired(silences: Silences, silence: Silence, now_ms: int) -> list[Silence]:
    kept = silences.plan_expiry(silence.id, now_ms)
    for each in kept:
        silences.keep(each)
    return kept


def test_a_silence_is_pending_then_active_then_expired_and_never_revives() -> None:
    silences = Silences()
    [made] = planned(silences, silence(starts=200, ends=400), 100)
    assert [made.state(moment) for moment in (100, 200, 399, 400)] == [
        SilenceState.PENDING,
        SilenceState.ACTIVE,
        SilenceState.ACTIVE,
        SilenceState.EXPIRED,
    ]
    assert [silences.muting({"a": "x"}, moment) for moment in (100, 200, 400)] == [(), (made.id,), ()]
    [again] = planned(silences, replace(made, starts_at_ms=500, ends_at_ms=900), 450)
    assert again.id != made.id
    assert silences.get(made.id).ends_at_ms == 400


def test_changing_an_active_silence_extends_it_or_replaces_it() -> None:
    silences = Silences()
    [made] = planned(silences, silence(ends=1000), 100)
    [longer] = planned(silences, replace(made, ends_at_ms=2000), 200)
    assert longer.id == made.id
    old, new = planned(silences, replace(longer, matchers=equal(a="y")), 300)
    assert (old.id, old.ends_at_ms, new.starts_at_ms) == (made.id, 300, 300)
    assert (silences.muting({"a": "x"}, 300), silences.muting({"a": "y"}, 300)) == ((), (new.id,))


def test_expiring_ends_an_active_and_a_pending_silence_at_once() -> None:
    silences = Silences()
    [active], [pending] = planned(silences, silence(), 10), planned(silences, silence(starts=500), 10)
    assert [each.state(20) for each in expired(silences, active, 20)] == [SilenceState.EXPIRED]
    assert [each.state(20) for each in expired(silences, pending, 20)] == [SilenceState.EXPIRED]
    assert expired(silences, active, 30) == []
    with pytest.raises(UnknownSilence):
        silences.plan_expiry("nobody", 30)
    assert silences.forget_ended_before(21) == 2
    assert len(silences) == 0


def sent(starts: int, ends: int, summary: str = "s") -> Alert:
    return Alert(Labels.of(alertname="A"), Labels.of(summary=summary), starts, ends)


def test_the_book_keeps_the_earliest_start_and_stores_only_what_changed() -> None:
    book = Book()
    first = book.receive(sent(100, 500), 100, 1000)
    again = book.receive(sent(100, 600), 200, 1000)
    later_start = book.receive(sent(150, 700), 250, 1000)
    changed = book.receive(sent(150, 800, "other"), 300, 1000)
    ended = book.receive(sent(150, 310), 320, 1000)
    repeated = book.receive(sent(150, 310), 330, 1000)
    assert None not in (first, again, later_start, changed, ended, repeated)
    kinds = [(each.worth_storing, each.began, each.ended) for each in (first, again, later_start, changed)]
    assert kinds == [(True, True, False), (False, False, False), (False, False, False), (True, False, False)]
    assert (ended.worth_storing, ended.ended, repeated.worth_storing) == (True, True, False)
    assert (ended.entry.alert.starts_at_ms, ended.entry.alert.ends_at_ms) == (100, 310)
    fresh = book.receive(sent(400, 900), 400, 1000)
    assert fresh
    assert fresh.began
    assert fresh.entry.alert.starts_at_ms == 400


def test_an_alert_that_ends_unheard_of_is_not_taken_in() -> None:
    book = Book()
    assert book.receive(sent(100, 200), 300, 1000) is None
    assert len(book) == 0


@pytest.mark.parametrize(
    ("alert", "says"),
    [
        (Alert(Labels()), "at least one label pair required"),
        (Alert(Labels.of(a="b"), starts_at_ms=5, ends_at_ms=4), "start time must be before end time"),
        (Alert(Labels.of(a="b"), ends_at_ms=10**18), "start and end must lie between the years 1 and 9999"),
        (Alert(Labels.of({f"l{i}": "x" for i in range(41)})), "found 41 labels"),
        (Alert(Labels.of(a="x" * 1_000_000)), "invalid value of a: found 1000000 characters"),
        (Alert(Labels.of({"a" * 300: "x"})), "invalid name 'aaa"),
        (Alert(Labels.of(a="\ud800")), "invalid value of a"),
        (Alert(Labels.of({"schön": "✓"})), ""),
    ],
)
def test_bad_alerts_are_refused_with_a_word(alert: Alert, says: str) -> None:
    assert why_invalid(alert).startswith(says)


@pytest.mark.parametrize(
    ("attempts", "retry_after_ms", "random", "wait_ms"),
    [
        (1, 0, 0.5, 500),
        (2, 0, 0.5, 1000),
        (1, 0, 0.0, 250),
        (100, 0, 0.5, 60_000),
        (100, 0, 0.999, 89_940),
        (1, 5000, 0.5, 5000),
        (1, 10**12, 0.5, 3_600_000),
    ],
)
def test_backoff_doubles_to_a_minute_and_waits_as_long_as_asked(
    attempts: int, retry_after_ms: int, random: float, wait_ms: int
) -> None:
    assert backoff_ms(attempts, retry_after_ms, lambda: random) == wait_ms


def test_fingerprints_of_many_are_those_of_each() -> None:
    texts = st.text(max_size=40)
    sets = st.dictionaries(texts, texts, max_size=6).map(Labels.of)

    @given(st.lists(sets, max_size=40))
    def alike(many: list[Labels]) -> None:
        assert fingerprints(many) == [fingerprint(labels) for labels in many]

    alike()
    assert fingerprint(Labels()) == "cbf29ce484222325"
