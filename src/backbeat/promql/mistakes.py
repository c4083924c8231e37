"""BadQuery messages: Prometheus's first line, then the query's line and a caret under the place.

Columns count bytes, as Prometheus's do; the caret stands under the character.
"""

from __future__ import annotations

from backbeat.model.results import BadQuery

WINDOW = 120
"""characters of a long line shown around the place"""


def bad_query(query: str, start: int, message: str, hint: str = "") -> BadQuery:
    """`1:7: parse error: message`, the line, a caret, and a hint where there is one."""
    start = min(start, len(query))
    line_start = query.rfind("\n", 0, start) + 1
    line_end = query.find("\n", start)
    line = query[line_start : len(query) if line_end < 0 else line_end]
    column = start - line_start
    in_bytes = len(line[:column].encode("utf-8", "replace"))
    place = f"{query.count(chr(10), 0, start) + 1}:{in_bytes + 1}" if query else "unknown position"
    lines = [f"{place}: parse error: {message}"]
    if line.strip():
        shown, column = _window(line, column)
        pad = "".join("\t" if char == "\t" else " " for char in shown[:column])
        lines += [shown, pad + "^"]
    if hint:
        lines.append(hint)
    text = "\n".join(lines)
    # A lone surrogate (from a broken decoder) cannot leave the process as UTF-8.
    return BadQuery(text.encode("utf-8", "backslashreplace").decode())


def _window(line: str, column: int) -> tuple[str, int]:
    """Cut a long line around the place."""
    line = line.rstrip("\r")
    if len(line) <= WINDOW:
        return line, column
    first = max(0, min(column - WINDOW // 2, len(line) - WINDOW))
    cut = line[first : first + WINDOW]
    head = "..." if first else ""
    tail = "..." if first + WINDOW < len(line) else ""
    return head + cut + tail, column - first + len(head)
