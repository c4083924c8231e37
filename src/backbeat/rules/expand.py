"""Labels and annotations of an alert from the rule's templates.

In:  one label set and value of the rule's expression.
Out: the alert's labels (its identity) and annotations.
A template that fails never keeps an alert back: its text becomes the error.

Rendering is plain computation and the querier is not, so a template that calls `query` is rendered with what
is known, the queries it asked are run, and it is rendered again, until nothing new is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct, field

from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.results import Querier, QueryError
from backbeat.rules.vector import RuleError, ask
from backbeat.templating import FunctionFailure, Template, TemplateError
from backbeat.templating.functions import Sample, prometheus_functions

log = logging.getLogger(__name__)

ALERT_NAME = "alertname"
_FUNCTIONS = prometheus_functions()
"""by their names; when a template is rendered, those that depend on the moment are replaced"""
_VARIABLES = ("labels", "externalLabels", "externalURL", "value")
_MOST_QUERIES = 100
"""A template that builds a new query from each answer must end some time."""

Answered = list[Sample] | FunctionFailure


class Expansion(Struct):
    """What templates of one evaluation see beside the sample; remembers the answers of their queries."""

    querier: Querier
    at_ms: int
    external_labels: Labels
    external_url: str
    answers: dict[str, Answered] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """queries without an answer so far"""
    _functions: Mapping[str, Callable[..., object]] | None = None

    def functions(self) -> Mapping[str, Callable[..., object]]:
        if self._functions is None:
            self._functions = prometheus_functions(
                query=self._recall, now_s=self.at_ms / 1000, external_url=self.external_url
            )
        return self._functions

    def _recall(self, expr: str) -> Sequence[Sample]:
        answer = self.answers.get(expr)
        if answer is None:
            self.asked.add(expr)
            return []
        if isinstance(answer, FunctionFailure):
            raise answer
        return answer

    async def answer_asked(self) -> None:
        for expr in sorted(self.asked):
            try:
                vector = await ask(self.querier, expr, self.at_ms)
            except (QueryError, RuleError) as error:
                self.answers[expr] = FunctionFailure(str(error))
                continue
            self.answers[expr] = [
                Sample(labels.as_dict(), value)
                for labels, value in zip(vector.labels, vector.values.tolist(), strict=True)
            ]
        self.asked.clear()


class Expanded(Struct, frozen=True):
    labels: Labels
    annotations: Labels


class Expander:
    """The templates of one rule, parsed once."""

    def __init__(self, alert: str, labels: Labels, annotations: Iterable[tuple[str, str]]) -> None:
        self._alert = alert
        self._labels = [(name, _Text(text, alert)) for name, text in labels]
        self._annotations = [(name, _Text(text, alert)) for name, text in annotations]

    async def expand(self, labels: Labels, value: float, expansion: Expansion) -> Expanded:
        data = {
            "Labels": labels.as_dict(),
            "ExternalLabels": expansion.external_labels.as_dict(),
            "ExternalURL": expansion.external_url,
            "Value": value,
        }
        own = labels.as_dict()
        own.pop(METRIC_NAME, None)
        for name, text in self._labels:
            own[name] = await text.render(data, expansion)
        own[ALERT_NAME] = self._alert
        annotations = [(name, await text.render(data, expansion)) for name, text in self._annotations]
        return Expanded(Labels.of(own), Labels.of(annotations))


class _Text:
    """One label value or annotation; most hold no template at all."""

    def __init__(self, text: str, alert: str) -> None:
        self._text = text
        self._alert = alert
        self._template: Template | None = None
        if "{{" in text:
            try:
                self._template = Template.parse(
                    text, f"__alert_{alert}", functions=_FUNCTIONS, variables=_VARIABLES
                )
            except TemplateError as error:
                self._text = self._failed(error)

    async def render(self, data: Mapping[str, object], expansion: Expansion) -> str:
        if self._template is None:
            return self._text
        text = self._render(self._template, data, expansion)
        while expansion.asked and len(expansion.answers) < _MOST_QUERIES:
            await expansion.answer_asked()
            text = self._render(self._template, data, expansion)
        if expansion.asked:
            expansion.asked.clear()
            return self._failed(f"more than {_MOST_QUERIES} different queries in one evaluation")
        return text

    def _render(self, template: Template, data: Mapping[str, object], expansion: Expansion) -> str:
        variables = {
            "labels": data["Labels"],
            "externalLabels": data["ExternalLabels"],
            "externalURL": data["ExternalURL"],
            "value": data["Value"],
        }
        try:
            return template.render(data, functions=dict(expansion.functions()), variables=variables)
        except TemplateError as error:
            return self._failed(error)

    def _failed(self, error: object) -> str:
        log.warning("alert %s: template failed: %s", self._alert, error)
        return f"<error expanding template: {error}>"
