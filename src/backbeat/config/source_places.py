"""From a character of a scalar's value back to its line and column in the file.

Pure. A value and its source have the same visible characters in the same order; only white space, quotes and
escapes differ. So we count visible characters, whatever the scalar's style.
"""

from __future__ import annotations

from backbeat.config.nodes import Scalar


def place_in_scalar(text: str, node: Scalar, offset: int) -> tuple[int, int]:
    """(line, column), from 1, of the value's character at `offset`; at the end: after its last one.

    text: the whole file
    """
    offset = min(max(offset, 0), len(node.text))
    ahead = sum(not character.isspace() for character in node.text[:offset])
    # At white space, or the end, point behind the character before it.
    behind = offset == len(node.text) or node.text[offset].isspace()
    place = _nth_visible(text, node, max(ahead - 1, 0) if behind else ahead)
    if place is None:
        return node.line, node.column
    if behind and ahead:
        blanks = offset - len(node.text[:offset].rstrip())
        same_line = "\n" not in node.text[offset - blanks : offset]
        place += 1 + (blanks if same_line else 0)
    start = text.rfind("\n", 0, place) + 1
    return text.count("\n", 0, place) + 1, place - start + 1


def _nth_visible(text: str, node: Scalar, wanted: int) -> int | None:
    """The file offset of the value's visible character number `wanted`."""
    at, end = node.start, node.end
    if node.style in ("|", ">"):
        newline = text.find("\n", at, end)
        at = newline + 1 if newline >= 0 else end
    elif node.style:
        at, end = at + 1, end - 1
    seen = 0
    while at < end:
        width = 1
        visible = not text[at].isspace()
        if node.style == "'" and text.startswith("''", at):
            width = 2
        elif node.style == '"' and text[at] == "\\":
            width, visible = _escape(text, at)
        if visible:
            if seen == wanted:
                return at
            seen += 1
        at += width
    return None


def _escape(text: str, at: int) -> tuple[int, bool]:
    """Length of an escape in double quotes, and whether it stands for a visible character."""
    letter = text[at + 1 : at + 2]
    width = {"x": 4, "u": 6, "U": 10}.get(letter, 2)
    return width, letter not in (*"ntr \n\t_NLP", "e", "0", "a", "b", "v", "f")
