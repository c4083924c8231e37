"""What pagers, trackers and queues mean by their answers, and what is done; against a server on loopback."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from receiver_server import Server, build, message, secret
from yarl import URL

from backbeat.config.aws import Credentials
from backbeat.config.pagers import (
    IncidentioConfig,
    JiraConfig,
    OpsgenieConfig,
    PagerdutyConfig,
    SigV4,
    SnsConfig,
)
from backbeat.httpclient import Session
from backbeat.model.alerts import Delivery
from backbeat.notify.sigv4 import signed


async def test_pagerduty_v1_is_asked_again_after_403(session: Session, server: Server) -> None:
    by_service = build(session, PagerdutyConfig(service_key=secret()))[0]
    assert list(by_service.retried()) == [403]  # type: ignore[attr-defined]


async def test_pagerduty_leaves_out_details_that_are_too_long(session: Session, server: Server) -> None:
    (channel,) = build(session, PagerdutyConfig(routing_key=secret(), url=server.url))
    assert (await channel.send(message(alerts=1200, long="x" * 300))).ok
    body = server.got[0][2]
    assert list(body["payload"]["custom_details"]) == ["error"]
    assert body["payload"]["summary"].startswith("[FIRING:1200] Slow")


async def test_incidentio_is_told_of_the_first_alert_of_too_many(session: Session, server: Server) -> None:
    (channel,) = build(session, IncidentioConfig(url=secret(server.url), alert_source_token=secret()))
    assert (await channel.send(message(alerts=2000, long="x" * 300))).ok
    body = server.got[0][2]
    assert (len(body["alerts"]), body["truncatedAlerts"], body["version"]) == (1, 1999, "1")


async def test_opsgenie_stops_where_a_step_fails(session: Session, server: Server) -> None:
    (channel,) = build(session, OpsgenieConfig(api_key=secret(), api_url=server.url, update_alerts=True))
    server.answers = [(202, {}), (503, "busy"), (202, {})]
    delivery = await channel.send(message())
    assert (delivery.ok, delivery.retry, len(server.got)) == (False, True, 2)
    server.got.clear()
    assert (await channel.send(message(is_over=True))).ok
    assert server.got[0][1].endswith("/close?identifierType=alias")


def issue(category: str) -> dict[str, Any]:
    return {"issues": [{"key": "P-1", "fields": {"status": {"statusCategory": {"key": category}}}}]}


JIRA = JiraConfig(
    project="P",
    issue_type="Bug",
    resolve_transition="Close",
    reopen_transition="Reopen",
    reopen_duration_ms=3_600_000,
)
OFFERED = {"transitions": [{"id": "7", "name": "Reopen"}, {"id": "8", "name": "Close"}]}


@pytest.mark.parametrize(
    ("is_over", "found", "steps"),
    [
        pytest.param(False, {"issues": []}, ["POST /search", "POST /issue"], id="made"),
        pytest.param(True, {"issues": []}, ["POST /search"], id="nothing to resolve"),
        pytest.param(False, issue("new"), ["POST /search", "PUT /issue/P-1"], id="still open"),
        pytest.param(
            False,
            issue("done"),
            ["POST /search", "PUT /issue/P-1", "GET /issue/P-1/transitions", "POST /issue/P-1/transitions"],
            id="reopened",
        ),
        pytest.param(
            True,
            issue("new"),
            ["POST /search", "PUT /issue/P-1", "GET /issue/P-1/transitions", "POST /issue/P-1/transitions"],
            id="resolved",
        ),
    ],
)
async def test_jira_keeps_one_issue_a_group(
    session: Session, server: Server, is_over: bool, found: Any, steps: list[str]
) -> None:
    (channel,) = build(session, replace(JIRA, api_url=server.url))
    server.answers = [(200, found), (200, {}), (200, OFFERED), (204, "")]
    assert (await channel.send(message(is_over=is_over))).ok
    assert [f"{method} {path}" for method, path, _ in server.got] == steps
    if len(steps) == 4:
        assert server.got[3][2] == {"transition": {"id": "8" if is_over else "7"}}


async def test_jira_says_which_transition_is_missing(session: Session, server: Server) -> None:
    (channel,) = build(session, replace(JIRA, api_url=server.url))
    server.answers = [(200, issue("new")), (200, {}), (200, {"transitions": []})]
    delivery = await channel.send(message(is_over=True))
    assert (delivery.ok, delivery.retry) == (False, False)
    assert delivery.detail == "issue P-1 offers no transition 'Close'"


async def test_jira_cloud_is_told_in_its_document_format(session: Session, server: Server) -> None:
    (channel,) = build(session, replace(JIRA, api_url=f"{server.url}/rest/api/3", api_type="cloud"))
    server.answers = [(200, {"issues": []}), (201, {})]
    assert (await channel.send(message())).ok
    assert [path for _, path, _ in server.got] == ["/rest/api/3/search/jql", "/rest/api/3/issue"]
    document = server.got[1][2]["fields"]["description"]
    assert document["type"] == "doc"
    assert "Alerts Firing" in document["content"][0]["content"][0]["text"]


def test_signature_of_the_test_suite_of_aws() -> None:
    headers = signed(
        URL("https://example.amazonaws.com/"),
        b"Param1=value1",
        "application/x-www-form-urlencoded",
        region="us-east-1",
        service="service",
        who=Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        now_s=1_440_938_160,
    )
    assert headers["authorization"].endswith(
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    )


async def test_sns_takes_a_role_and_keeps_it(
    session: Session, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{server.url}/sts")
    account = SigV4(
        *("eu", "AK", secret()),
        role_arn="arn:role",
        external_id="ext",
        session_name="watch",
        tags=(("team", "on call"),),
    )
    (channel,) = build(session, SnsConfig(account, api_url=f"{server.url}/sns", topic_arn="arn:t.fifo"))
    keys = "<AccessKeyId>A2</AccessKeyId><SecretAccessKey>S2</SecretAccessKey><SessionToken>T2</SessionToken>"
    server.answers = [(200, keys), (200, "")]
    told = replace(message(), idempotency_key="once")
    assert (await channel.send(told)).ok
    assert (await channel.send(told)).ok
    assert [path for _, path, _ in server.got] == ["/sts", "/sns", "/sns"]
    assert "ExternalId=ext" in server.got[0][2]
    assert "RoleSessionName=watch&" in server.got[0][2]
    assert "Tags.member.1.Key=team&Tags.member.1.Value=on+call" in server.got[0][2]
    assert "MessageDeduplicationId=once" in server.got[1][2]


async def test_sns_says_whose_keys_are_missing(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    (channel,) = build(session, SnsConfig(SigV4("eu"), topic_arn="t"))
    delivery = await channel.send(message())
    assert delivery == Delivery(False, detail=delivery.detail)
    assert "sigv4.access_key" in delivery.detail
