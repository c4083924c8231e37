"""What an application itself reports: streams, uploads, users, features."""

import pytest
from prometheus_client import CollectorRegistry

from backbeat_instrument import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(CollectorRegistry(), max_features=2, clock=clock)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("error", "errors"),
    [
        pytest.param(None, 0, id="played to its end"),
        pytest.param(RuntimeError(), 1, id="our fault"),
        pytest.param(OSError("disk"), 1, id="a disk error is our fault"),
        pytest.param(BrokenPipeError(), 0, id="the listener left"),
        pytest.param(GeneratorExit(), 0, id="the stream was closed early"),
    ],
)
def test_audio_stream(metrics: Metrics, error: BaseException | None, errors: int) -> None:
    try:
        with metrics.audio_stream():
            if error:
                raise error
    except BaseException as raised:
        assert raised is error  # noqa: PT017 (GeneratorExit cannot go through pytest.raises)
    assert value(metrics, "audio_streams_total") == 1
    assert value(metrics, "audio_stream_errors_total") == errors


def test_upload(metrics: Metrics, clock: Clock) -> None:
    with metrics.upload():
        clock.now += 42
    with pytest.raises(ValueError, match="bad file"), metrics.upload():
        raise ValueError("bad file")
    assert value(metrics, "upload_duration_seconds_sum") == 42
    assert value(metrics, "upload_duration_seconds_count") == 1
    assert value(metrics, "upload_errors_total") == 1


def test_active_users_are_those_of_the_last_five_minutes(metrics: Metrics, clock: Clock) -> None:
    for user in ("a", "b", "a"):
        metrics.user_seen(user)
    assert value(metrics, "active_users") == 2
    clock.now += 200
    metrics.user_seen("a")
    clock.now += 200
    assert value(metrics, "active_users") == 1


def test_features_are_bounded(metrics: Metrics) -> None:
    for feature in ("search", "play", "x1", "x2", "search"):
        metrics.feature_used(feature)
    assert value(metrics, "feature_used_total", feature="search") == 2
    assert value(metrics, "feature_used_total", feature="other") == 2


def test_counters_begin_at_zero_so_that_rates_see_the_first_event(metrics: Metrics) -> None:
    for name in (
        "cache_hits_total",
        "audio_stream_errors_total",
        "ws_connection_errors_total",
        "api_rate_limited_total",
    ):
        assert value(metrics, name) == 0
