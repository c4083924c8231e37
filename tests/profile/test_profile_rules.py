"""The profile's rules over made-up series, evaluated by the real promtool.

Every performance alert fires above its threshold, stays silent just below it and without traffic; the score
is what its formula says.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct

from backbeat.profile import profile_text

pytestmark = pytest.mark.peer

APP = 'job="app",instance="a:1"'
OTHER = 'job="app",instance="b:1"'
Series = dict[str, str]


def grows(per_step: float) -> str:
    return f"0+{per_step}x80"


def histogram(name: str, labels: str, fast: float, slow: float, bound: float) -> Series:
    """`fast` observations a step below `bound`, `slow` ones above it."""
    return {
        f'{name}_bucket{{{labels},le="{bound:g}"}}': grows(fast),
        f'{name}_bucket{{{labels},le="{bound * 10:g}"}}': grows(fast + slow),
        f'{name}_bucket{{{labels},le="+Inf"}}': grows(fast + slow),
        f"{name}_count{{{labels}}}": grows(fast + slow),
    }


def p95(seconds: float, name: str = "http_request_duration_seconds") -> Series:
    """The 95th percentile is exactly the bound that 95 of 100 reach, over two instances and routes."""
    return histogram(name, APP + ',route="/x"', 50, 0, seconds) | histogram(
        name, OTHER + ',route="/y"', 45, 5, seconds
    )


def share(errors: str, total: str, ratio: float) -> Series:
    """One instance has all the errors, the other most of the traffic: only the share of the total counts."""
    return {
        f"{errors}{{{APP}}}": grows(200 * ratio),
        f"{errors}{{{OTHER}}}": grows(0),
        f"{total}{{{APP}}}": grows(20),
        f"{total}{{{OTHER}}}": grows(180),
    }


def http_errors(ratio: float) -> Series:
    return {
        f'http_requests_total{{{APP},route="/x",status="500"}}': grows(100 * ratio),
        f'http_requests_total{{{OTHER},route="/y",status="200"}}': grows(100 * (1 - ratio)),
    }


def mean(name: str, seconds: float) -> Series:
    return {f"{name}_sum{{{APP}}}": grows(10 * seconds), f"{name}_count{{{APP}}}": grows(10)}


def cache(hit_ratio: float) -> Series:
    return {
        f"cache_hits_total{{{APP}}}": grows(100 * hit_ratio),
        f"cache_misses_total{{{APP}}}": grows(100 * (1 - hit_ratio)),
    }


def otel_errors(ratio: float) -> Series:
    name = "http_server_request_duration_seconds_count"
    return {
        f'{name}{{{APP},http_response_status_code="500"}}': grows(100 * ratio),
        f'{name}{{{APP},http_response_status_code="200"}}': grows(100 * (1 - ratio)),
    }


def limited(per_s: float) -> Series:
    return {f"api_rate_limited_total{{{APP}}}": grows(15 * per_s)}


def load(value: float) -> Series:
    return {'node_load1{job="node",instance="n:1"}': f"{value}x80"}


def score(points: float) -> Series:
    """By the response time that gives these points: 70 - 20 log2(x)."""
    return p95(2 ** ((70 - points) / 20))


class Case(Struct, frozen=True):
    name: str
    series: Any
    warning: str
    critical: str
    below: float
    above_warning: float
    above_critical: float


CASES = [
    Case("http", p95, "HighResponseTime", "VeryHighResponseTime", 0.9, 1.1, 2.2),
    Case(
        "http of OpenTelemetry",
        lambda x: p95(x, "http_server_request_duration_seconds"),
        "HighResponseTime",
        "VeryHighResponseTime",
        0.9,
        1.1,
        2.2,
    ),
    Case("errors", http_errors, "HighErrorRate", "VeryHighErrorRate", 0.04, 0.06, 0.11),
    Case("errors of OpenTelemetry", otel_errors, "HighErrorRate", "VeryHighErrorRate", 0.04, 0.06, 0.11),
    Case(
        "database",
        lambda x: mean("db_query_duration_seconds", x),
        "HighDatabaseQueryTime",
        "VeryHighDatabaseQueryTime",
        0.45,
        0.55,
        1.1,
    ),
    Case(
        "database of OpenTelemetry",
        lambda x: mean("db_client_operation_duration_seconds", x),
        "HighDatabaseQueryTime",
        "VeryHighDatabaseQueryTime",
        0.45,
        0.55,
        1.1,
    ),
    Case("cache", cache, "LowCacheHitRatio", "VeryLowCacheHitRatio", 0.81, 0.79, 0.49),
    Case(
        "audio",
        lambda x: share("audio_stream_errors_total", "audio_streams_total", x),
        "HighAudioStreamingErrorRate",
        "VeryHighAudioStreamingErrorRate",
        0.04,
        0.06,
        0.11,
    ),
    Case(
        "uploads",
        lambda x: mean("upload_duration_seconds", x),
        "HighFileUploadTime",
        "VeryHighFileUploadTime",
        29,
        31,
        61,
    ),
    Case(
        "websocket",
        lambda x: share("ws_connection_errors_total", "ws_connections_total", x),
        "HighWebSocketConnectionErrorRate",
        "VeryHighWebSocketConnectionErrorRate",
        0.09,
        0.11,
        0.21,
    ),
    Case("rate limit", limited, "HighAPIRateLimiting", "VeryHighAPIRateLimiting", 0.9, 1.1, 5.1),
    Case("score", score, "DegradedPerformance", "PoorPerformance", 72, 68, 48),
    Case("load", load, "HighSystemLoad", "VeryHighSystemLoad", 4.9, 5.1, 10.1),
]


def story(name: str, series: Series, checks: list[tuple[str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """A unit test for promtool: checks after 12 minutes, when `for` and the windows are filled."""
    return {
        "name": name,
        "interval": "15s",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": "12m", "exp_samples": samples} for expr, samples in checks
        ],
    }


ONE = [{"labels": "{}", "value": 1}]


def firing(name: str, fires: bool) -> tuple[str, list[dict[str, Any]]]:
    query = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    return query, ONE if fires else []


def run_promtool(directory: Path, stories: list[dict[str, Any]], alerts: str | None = None) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    texts = {
        "alert_rules.yml": profile_text("alert_rules.yml"),
        "performance_alerts.yml": alerts or profile_text("performance_alerts.yml"),
    }
    files = list(texts)
    for file, text in texts.items():
        (directory / file).write_text(text, encoding="utf-8")
    tests = {
        "rule_files": files,
        "evaluation_interval": "15s",
        "group_eval_order": ["normaldance-signals", "normaldance-score", "normaldance-performance-alerts"],
        "tests": stories,
    }
    (directory / "tests.yml").write_text(yaml.safe_dump(tests), encoding="utf-8")
    command = ["promtool", "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alerts_fire_above_their_thresholds_only(tmp_path: Path, case: Case) -> None:
    idle = dict.fromkeys(case.series(case.below), "7x80")
    run_promtool(
        tmp_path,
        [
            story(
                "below", case.series(case.below), [firing(case.warning, False), firing(case.critical, False)]
            ),
            story(
                "above the warning threshold",
                case.series(case.above_warning),
                [firing(case.warning, True), firing(case.critical, False)],
            ),
            story(
                "above the critical threshold",
                case.series(case.above_critical),
                [firing(case.warning, True), firing(case.critical, True)],
            ),
            story(
                "idle",
                {} if case.name == "load" else idle,
                [('ALERTS{alertname!="DegradedPerformance"}', [])],
            ),
        ],
    )


def test_score_of_one_signal_is_its_place_between_the_thresholds(tmp_path: Path) -> None:
    checks = {0.5: 90, 1: 70, 2: 50, 4: 30, 0.05: 100, 400: 1}
    run_promtool(
        tmp_path,
        [
            story(
                f"p95 of {seconds} s",
                p95(seconds),
                [("round(app:performance_score:geomean)", [{"labels": "{}", "value": points}])],
            )
            for seconds, points in checks.items()
        ],
    )


def test_score_is_the_weighted_geometric_mean_and_says_who_costs_what(tmp_path: Path) -> None:
    # Response time at its critical threshold (50 points, weight 25), load healthy (100 points, weight 5).
    expected = 50 ** (25 / 30) * 100 ** (5 / 30)
    per_signal = [
        {"labels": '{signal="response_time"}', "value": round(100 - expected)},
        {"labels": '{signal="system_load"}', "value": 0},
    ]
    run_promtool(
        tmp_path,
        [
            story(
                "one bad signal of two",
                p95(2) | load(0.5),
                [
                    ("round(app:performance_score:geomean)", [{"labels": "{}", "value": round(expected)}]),
                    ("round(signal:score:points_lost)", per_signal),
                ],
            ),
            story(
                "nothing lost",
                p95(0.05),
                [
                    (
                        "signal:score:points_lost",
                        [{"labels": 'signal:score:points_lost{signal="response_time"}', "value": 0}],
                    )
                ],
            ),
            story("no data, no score", {}, [("app:performance_score:geomean", [])]),
        ],
    )


def test_a_failing_job_is_not_hidden_by_a_healthy_one(tmp_path: Path) -> None:
    healthy = {key.replace('job="app"', 'job="healthy"'): value for key, value in p95(0.05).items()}
    run_promtool(
        tmp_path,
        [
            story(
                "two jobs",
                p95(2) | healthy,
                [
                    ("round(app:performance_score:geomean)", [{"labels": "{}", "value": 50}]),
                    ('ALERTS{alertname="VeryHighResponseTime",job="healthy"}', []),
                ],
            )
        ],
    )


def test_critical_comes_with_the_labels_that_silence_its_warning(tmp_path: Path) -> None:
    same = '{job="app",signal="response_time"}'
    query = 'count by (job, signal) (ALERTS{alertstate="firing",signal="response_time"})'
    run_promtool(tmp_path, [story("critical", p95(3), [(query, [{"labels": same, "value": 2}])])])


def test_the_teams_own_rules_fire_on_the_same_metrics(tmp_path: Path) -> None:
    root = Path(os.environ.get("BACKBEAT_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance"))
    file = root / "config" / "normaldance" / "performance_alerts.yml"
    if not file.exists():
        pytest.skip("the conformance cases are not there")
    # Their database rules read a PostgreSQL exporter, and their score is another one.
    names = {"http", "cache", "uploads", "rate limit", "load"}
    stories = [
        story(
            case.name,
            case.series(case.above_critical),
            [(f"count({firing(case.critical, True)[0]}) > 0", ONE)],
        )
        for case in CASES
        if case.name in names
    ]
    run_promtool(tmp_path, stories, file.read_text(encoding="utf-8"))
