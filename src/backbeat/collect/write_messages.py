"""The messages of remote-write 1.0, described to the protobuf library, which is loaded with this module."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError


def _messages() -> dict[str, Any]:
    """As far as we read them; series stay bytes in the outer one."""
    kinds = descriptor_pb2.FieldDescriptorProto
    told: dict[str, list[tuple[str, int, int, str, bool]]] = {
        "Request": [
            ("timeseries", 1, kinds.TYPE_BYTES, "", True),
            ("metadata", 3, kinds.TYPE_BYTES, "", True),
        ],
        "Label": [("name", 1, kinds.TYPE_STRING, "", False), ("value", 2, kinds.TYPE_STRING, "", False)],
        "Sample": [("value", 1, kinds.TYPE_DOUBLE, "", False), ("timestamp", 2, kinds.TYPE_INT64, "", False)],
        "Exemplar": [
            ("labels", 1, kinds.TYPE_MESSAGE, "Label", True),
            ("value", 2, kinds.TYPE_DOUBLE, "", False),
            ("timestamp", 3, kinds.TYPE_INT64, "", False),
        ],
        "Series": [
            ("labels", 1, kinds.TYPE_MESSAGE, "Label", True),
            ("samples", 2, kinds.TYPE_MESSAGE, "Sample", True),
            ("exemplars", 3, kinds.TYPE_MESSAGE, "Exemplar", True),
            ("histograms", 4, kinds.TYPE_BYTES, "", True),
        ],
        "Metadata": [
            ("type", 1, kinds.TYPE_INT32, "", False),
            ("metric_family_name", 2, kinds.TYPE_STRING, "", False),
            ("help", 4, kinds.TYPE_STRING, "", False),
            ("unit", 5, kinds.TYPE_STRING, "", False),
        ],
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="backbeat_write.proto", package="backbeat.write", syntax="proto3"
    )
    for message, fields in told.items():
        described = file.message_type.add(name=message)
        for name, number, kind, type_name, repeated in fields:
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            entry = described.field.add(name=name, number=number, label=label)
            # The stubs want an enum of their own for what is a number.
            entry.type = kind  # type: ignore[assignment]
            if type_name:
                entry.type_name = f".backbeat.write.{type_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"backbeat.write.{name}"))
        for name in told
    }


_MESSAGES = _messages()
REQUEST = _MESSAGES["Request"]
SERIES = _MESSAGES["Series"]
METADATA = _MESSAGES["Metadata"]

__all__ = ["METADATA", "REQUEST", "SERIES", "DecodeError"]
