"""Environment variables in any value of alertmanager.yml: `${NAME}` takes the variable's value.

In:  the file's nodes as they were written. Out: the same nodes with their texts filled in.
A variable that is not set is a mistake; `$${NAME}` stands for the text `${NAME}` itself.
"""

from __future__ import annotations

import re

from backbeat.config.nodes import Mapping, Node, Scalar, Sequence
from backbeat.config.schema import Kind, Lazy, ListOf, Reading, StructOf

_VARIABLE = re.compile(r"\$(\$\{[A-Za-z_][A-Za-z0-9_]*\})|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def fill_variables(node: Node, reading: Reading, kind: Kind | None, path: str = "", twin: str = "") -> None:
    """Replace the variables in every value; names of fields stay as they are.

    What was written is kept in `reading.written`: a variable's value may be a secret in any field.

    kind: what is expected of the node, where it is known
    twin: the name of the field that would take a file with the value instead
    """
    kind = kind.kind() if isinstance(kind, Lazy) else kind
    if isinstance(node, Mapping):
        fields = kind.fields if isinstance(kind, StructOf) else {}
        for key, value in node.entries:
            name, file = key.text, f"{key.text}_file"
            inner = f"{path}.{name}" if path else name
            fill_variables(value, reading, fields.get(name), inner, file if file in fields else "")
    elif isinstance(node, Sequence):
        item_kind = kind.item if isinstance(kind, ListOf) else None
        for index, item in enumerate(node.items):
            fill_variables(item, reading, item_kind, f"{path}[{index}]")
    elif isinstance(node, Scalar) and "${" in node.text:
        _fill(node, reading, path, twin)


def _fill(node: Scalar, reading: Reading, path: str, twin: str) -> None:
    or_file = f" or use {twin}" if twin else ""

    def value(match: re.Match[str]) -> str:
        literal, name = match[1], match[2]
        if literal:
            return str(literal)
        found = reading.environment.get(name)
        if found is None:
            reading.error(
                node,
                path,
                f"the environment variable {name} is not set: "
                f"set the environment variable {name}{or_file}, "
                f"or write $${{{name}}} for the text ${{{name}}} itself",
            )
            return str(match[0])
        return found

    filled = _VARIABLE.sub(value, node.text)
    if _is_unset(node, reading):
        reading.reported.add(id(node))
    reading.written.append((node, node.text))
    node.text = filled


def _is_unset(node: Scalar, reading: Reading) -> bool:
    return any(name and name not in reading.environment for _, name in _VARIABLE.findall(node.text))
