"""Environment variables in any value of alertmanager.yml: `${NAME}` takes the variable's value.

In:  the file's nodes as they were written. Out: the same nodes with their texts filled in.
A variable that is not set is a mistake; `$${NAME}` stands for the text `${NAME}` itself.
"""

from __future__ import annotations

import re

from backbeat.config.nodes import Mapping, Node, Scalar, Sequence
from backbeat.config.schema import Reading

_VARIABLE = re.compile(r"\$(\$\{[A-Za-z_][A-Za-z0-9_]*\})|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_SECRET_FIELD = re.compile(r"(url|password|secret|token|key|credentials)$")


def fill_variables(node: Node, reading: Reading, path: str = "") -> None:
    """Replace the variables in every value; names of fields stay as they are.

    What was written is kept in `reading.written`: a variable's value may be a secret in any field.
    """
    if isinstance(node, Mapping):
        for key, value in node.entries:
            fill_variables(value, reading, f"{path}.{key.text}" if path else key.text)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            fill_variables(item, reading, f"{path}[{index}]")
    elif isinstance(node, Scalar) and "${" in node.text:
        _fill(node, reading, path)


def _fill(node: Scalar, reading: Reading, path: str) -> None:
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
                f"set the environment variable {name}{_or_file(path)}, "
                f"or write $${{{name}}} for the text ${{{name}}} itself",
            )
            return str(match[0])
        return found

    filled = _VARIABLE.sub(value, node.text)
    if _is_unset(node, reading):
        reading.reported.add(id(node))
    reading.written.append((node, node.text))
    node.text = filled


def _or_file(path: str) -> str:
    """Fields of secrets have a twin that names a file."""
    name = path.rpartition(".")[2]
    return f" or use {name}_file" if _SECRET_FIELD.search(name) else ""


def _is_unset(node: Scalar, reading: Reading) -> bool:
    return any(name and name not in reading.environment for _, name in _VARIABLE.findall(node.text))
