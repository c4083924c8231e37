"""The runbooks as a page, for the links in notifications.

In:  docs/runbooks.md.
Out: HTML and its stylesheet, to be served as /runbooks and /runbooks.css; no inline style, no script.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from backbeat.profile import runbooks_path

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["RUNBOOKS_CSS", "runbooks_page"]

RUNBOOKS_CSS = """\
:root { color-scheme: light dark }
body { margin: 0; background: light-dark(#f6f7fa, #0f1217); color: light-dark(#171b22, #e6e9ef);
  font: 16px/1.6 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 30vh }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin: 2.4rem 0 .4rem; scroll-margin-top: 1rem }
h2:target { border-left: 4px solid light-dark(#3d5afe, #8ea2ff); padding-left: .7rem }
code { font: .88em ui-monospace, monospace; background: light-dark(#e8ebf2, #1e242e); padding: .1em .35em;
  border-radius: .3em; overflow-wrap: anywhere }
a { color: light-dark(#3d5afe, #8ea2ff) } li { margin: .3rem 0 }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1rem }
"""


@lru_cache(maxsize=1)
def runbooks_page() -> str:
    """The whole page; each section has the id that `runbook_url` of the profile's alerts names."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False})
    tokens = markdown.parse(runbooks_path().read_text(encoding="utf-8"))
    sections = _give_ids(tokens)
    links = "".join(f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in sections)
    body = markdown.renderer.render(tokens, markdown.options, {})
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<title>Runbooks – Backbeat</title>\n<link rel="stylesheet" href="runbooks.css">\n</head>\n'
        f'<body>\n<main>\n<nav aria-label="Signals"><ul>{links}</ul></nav>\n{body}</main>\n</body>\n</html>\n'
    )


def _give_ids(tokens: list[Token]) -> list[tuple[str, str]]:
    """Set an id on every section heading; return (id, title) of each."""
    sections = []
    for heading, title in pairwise(tokens):
        if heading.type == "heading_open" and heading.tag == "h2":
            anchor = title.content.lower().replace(" ", "-")
            heading.attrSet("id", anchor)
            sections.append((anchor, title.content))
    return sections
