"""Backbeat's own pages and mails, in Jinja2, which is loaded by the first: most starts need none."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def page(path: Path) -> Template:
    """The page at the path, compiled once. Raises jinja2.TemplateError."""
    from jinja2 import Environment, FileSystemLoader

    pages = Environment(
        loader=FileSystemLoader(path.parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return pages.get_template(path.name)
