"""Values without a schema: what a YAML node means as text, number, truth, list or mapping."""

from __future__ import annotations

from backbeat.config.nodes import Mapping, Node, Scalar, Sequence, go_bool, go_number, is_null


def plain(node: Node) -> object:
    """As the files' Go originals read one into `any`; keys are texts."""
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [plain(each) for each in node.items]
    assert isinstance(node, Scalar)
    if is_null(node):
        return None
    truth = go_bool(node)
    if truth is not None:
        return truth
    number = go_number(node)
    return node.text if number is None else number
