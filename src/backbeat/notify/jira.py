"""Jira: one issue a group, found again by a label, reopened while alerts fire and closed after them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct
from yarl import URL

from backbeat.config.pagers import JiraConfig
from backbeat.model.alerts import Delivery
from backbeat.notify.channel import HttpChannel
from backbeat.notify.http import Answer, json_request
from backbeat.notify.wording import Wording

_LONGEST_SUMMARY = 255
_LONGEST_DESCRIPTION = 32_767
_DONE = "done"


class _Refused(Exception):
    """A step did not succeed; what was to follow is left out."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery.detail)
        self.delivery = delivery


class _Issue(Struct, frozen=True):
    key: str
    category: str
    """of its status, e.g. `done`"""


class JiraChannel(HttpChannel[JiraConfig]):
    kind = "jira"

    async def deliver(self, wording: Wording) -> Delivery:
        is_firing = wording.message.status == "firing"
        try:
            jql, fields = await asyncio.to_thread(self._said, wording)
            issue = await self._find(jql)
            if issue is None and not is_firing:
                return Delivery(True, detail="there is no open issue to resolve")
            if issue is None:
                return (await self._ask("POST", self._url("issue"), {"fields": fields})).delivery
            kept = {name: value for name, value in fields.items() if self._is_updated(name)}
            answer = await self._ask("PUT", self._url(f"issue/{issue.key}"), {"fields": kept})
            return await self._move(issue, is_firing=is_firing) or answer.delivery
        except _Refused as refused:
            return refused.delivery

    def _said(self, wording: Wording) -> tuple[str, dict[str, object]]:
        """How to find the group's issue, and what is to stand in it."""
        config = self.config
        project = wording.key(config.project, "Jira's project")
        label = f"ALERT{{{wording.group_hash}}}"
        fields: dict[str, object] = {
            "project": {"key": project},
            "issuetype": {"name": wording.key(config.issue_type, "Jira's issue_type")},
            "summary": wording(config.summary.template, longest=_LONGEST_SUMMARY),
            "labels": sorted([*(wording.word(each) for each in config.labels), label]),
        }
        if description := wording(config.description.template, longest=_LONGEST_DESCRIPTION):
            fields["description"] = self._document(description)
        if priority := wording.word(config.priority):
            fields["priority"] = {"name": priority}
        # Custom fields are sent as they are written: their names are Jira's, not templates.
        fields |= {name: wording.filled(value) for name, value in config.fields}
        return self._jql(project, label, is_firing=wording.message.status == "firing"), fields

    def _document(self, description: str) -> object:
        """Version 3 of the API wants Atlassian's document format; a template may make one, or plain text."""
        if not URL(self.config.api_url).path.rstrip("/").endswith("/3"):
            return description
        try:
            return orjson.loads(description)
        except ValueError:
            text = {"type": "text", "text": description.strip()}
            content = [{"type": "paragraph", "content": [text]}] if text["text"] else []
            return {"type": "doc", "version": 1, "content": content}

    def _jql(self, project: str, label: str, *, is_firing: bool) -> str:
        """Open issues of the group; while it fires, also those closed so lately that they reopen."""
        config = self.config
        conditions = []
        if config.wont_fix_resolution:
            unfixed = _quoted(config.wont_fix_resolution)
            conditions.append(f"(resolution is EMPTY or resolution != {unfixed})")
        minutes = config.reopen_duration_ms // 60_000
        if is_firing and config.reopen_transition and minutes:
            conditions.append(f"(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m)")
        else:
            conditions.append("statusCategory != Done")
        conditions += [f"project={_quoted(project)}", f"labels={_quoted(label)}"]
        return " and ".join(conditions) + " order by status ASC,resolutiondate DESC"

    async def _find(self, jql: str) -> _Issue | None:
        """Raises _Refused."""
        said = {"jql": jql, "maxResults": 2, "fields": ["status"]}
        found = (await self._ask("POST", self._search_url(), said)).json.get("issues")
        if not isinstance(found, list) or not found:
            return None
        issue: Mapping[str, Any] = found[0]
        status = (issue.get("fields") or {}).get("status") or {}
        return _Issue(str(issue.get("key", "")), str((status.get("statusCategory") or {}).get("key", "")))

    async def _move(self, issue: _Issue, *, is_firing: bool) -> Delivery | None:
        """Reopen or resolve the issue, where a transition is configured. Raises _Refused."""
        if (issue.category == _DONE) != is_firing:
            return None
        name = self.config.reopen_transition if is_firing else self.config.resolve_transition
        if not name:
            return None
        url = self._url(f"issue/{issue.key}/transitions")
        offered = (await self._ask("GET", url)).json.get("transitions")
        for transition in offered if isinstance(offered, list) else ():
            if transition.get("name") == name:
                return (await self._ask("POST", url, {"transition": {"id": transition.get("id")}})).delivery
        raise _Refused(Delivery(False, detail=f"issue {issue.key} offers no transition {name!r}"))

    async def _ask(self, method: str, url: str, said: object = None) -> Answer:
        """Raises _Refused."""
        answer = await self.outlet.ask(json_request(url, said, {"Accept-Language": "en"}, method=method))
        if not answer.delivery.ok:
            raise _Refused(answer.delivery)
        return answer

    def _url(self, path: str) -> str:
        url = URL(self.config.api_url)
        return str(url.with_path(f"{url.path.rstrip('/')}/{path}"))

    def _search_url(self) -> str:
        """Jira Cloud has given up the search of version 2; Jira Data Center has no other."""
        kind = self.config.api_type
        host = URL(self.config.api_url).host or ""
        if kind == "cloud" or (kind == "auto" and host.endswith("atlassian.net")):
            return self._url("search/jql").replace("/rest/api/2/", "/rest/api/3/", 1)
        return self._url("search")

    def _is_updated(self, name: str) -> bool:
        """Whether an issue that exists gets the field anew."""
        texts = {"summary": self.config.summary, "description": self.config.description}
        return name not in texts or texts[name].enable_update


def _quoted(text: str) -> str:
    """A string of Jira's query language."""
    return orjson.dumps(text).decode()
