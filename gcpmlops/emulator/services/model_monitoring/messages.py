"""Messages of TensorFlow's own formats, declared here: their packages would bring TensorFlow.

`example.proto` of TensorFlow; `statistics.proto`, `anomalies.proto` and `path.proto` of TensorFlow Metadata, of which
the fields that are written here.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
    "double": _F.TYPE_DOUBLE,
    "float": _F.TYPE_FLOAT,
    "int64": _F.TYPE_INT64,
    "uint64": _F.TYPE_UINT64,
    "enum": _F.TYPE_INT32,  # an enum's number has the same bytes
}
# Message → field → (number, type); a type that is no scalar is a message of the same package, * means repeated.
_EXAMPLE = {
    "BytesList": {"value": (1, "bytes*")},
    "FloatList": {"value": (1, "float*")},
    "Int64List": {"value": (1, "int64*")},
    "Feature": {"bytes_list": (1, "BytesList"), "float_list": (2, "FloatList"), "int64_list": (3, "Int64List")},
    "Entry": {"key": (1, "string"), "value": (2, "Feature")},  # of a map
    "Features": {"feature": (1, "Entry*")},
    "Example": {"features": (1, "Features")},
}
_METADATA = {
    "Path": {"step": (1, "string*")},
    "Bucket": {"low_value": (1, "double"), "high_value": (2, "double"), "sample_count": (4, "double")},
    "Histogram": {"num_nan": (1, "uint64"), "buckets": (3, "Bucket*"), "type": (4, "enum")},
    "CommonStatistics": {
        "num_non_missing": (1, "uint64"),
        "num_missing": (2, "uint64"),
        "min_num_values": (3, "uint64"),
        "max_num_values": (4, "uint64"),
        "avg_num_values": (5, "float"),
        "tot_num_values": (8, "uint64"),
    },
    "NumericStatistics": {
        "common_stats": (1, "CommonStatistics"),
        "mean": (2, "double"),
        "std_dev": (3, "double"),
        "num_zeros": (4, "uint64"),
        "min": (5, "double"),
        "median": (6, "double"),
        "max": (7, "double"),
        "histograms": (8, "Histogram*"),
    },
    "FreqAndValue": {"value": (2, "string"), "frequency": (3, "double")},
    "RankBucket": {
        "low_rank": (1, "uint64"),
        "high_rank": (2, "uint64"),
        "label": (4, "string"),
        "sample_count": (5, "double"),
    },
    "RankHistogram": {"buckets": (1, "RankBucket*")},
    "StringStatistics": {
        "common_stats": (1, "CommonStatistics"),
        "unique": (2, "uint64"),
        "top_values": (3, "FreqAndValue*"),
        "avg_length": (4, "float"),
        "rank_histogram": (5, "RankHistogram"),
    },
    "FeatureNameStatistics": {
        "name": (1, "string"),
        "type": (2, "enum"),
        "num_stats": (3, "NumericStatistics"),
        "string_stats": (4, "StringStatistics"),
    },
    "Reason": {"type": (1, "enum"), "short_description": (2, "string"), "description": (3, "string")},
    "AnomalyInfo": {
        "description": (2, "string"),
        "severity": (5, "enum"),
        "short_description": (6, "string"),
        "reason": (7, "Reason*"),
        "path": (8, "Path"),
    },
}


def _declared(package: str, messages: dict[str, dict[str, tuple[int, str]]]) -> Any:
    """The pool's lookup of classes by message name."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            plain = kind.removesuffix("*")
            made = message.field.add(name=field, number=number)
            made.label = _F.LABEL_REPEATED if kind.endswith("*") else _F.LABEL_OPTIONAL
            made.type = _TYPES.get(plain, _F.TYPE_MESSAGE)
            if made.type == _F.TYPE_MESSAGE:
                made.type_name = f".{package}.{plain}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


_example, _metadata = _declared("tensorflow", _EXAMPLE), _declared("tensorflow.metadata.v0", _METADATA)
Example: Any = _example("Example")
FeatureNameStatistics: Any = _metadata("FeatureNameStatistics")
AnomalyInfo: Any = _metadata("AnomalyInfo")
