"""The Go template language of annotations and notifications, over plain data, without attribute access."""

from backbeat.templating.errors import FunctionFailure, TemplateError
from backbeat.templating.interpreter import Limits
from backbeat.templating.template import Template, TemplateSet
from backbeat.templating.values import Html, Record, Url

__all__ = [
    "FunctionFailure",
    "Html",
    "Limits",
    "Record",
    "Template",
    "TemplateError",
    "TemplateSet",
    "Url",
]
