"""Protobuf messages that the protocol library lacks, or has wrong.

Described in code, in a pool of their own, after WACert.proto and WAAdv.proto: the library knows no
certificates, and its key index list holds one index where the protocol has many.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE: Final = "teimoso.simulator"
_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_UINT32: Final = _FIELD.TYPE_UINT32
_UINT64: Final = _FIELD.TYPE_UINT64
_BYTES: Final = _FIELD.TYPE_BYTES

# message → (field, number, type), a type being a scalar, a message's name, or a list of a scalar
_MESSAGES: Final[dict[str, list[tuple[str, int, Any]]]] = {
    "CertificateDetails": [
        ("serial", 1, _UINT32),
        ("issuer_serial", 2, _UINT32),
        ("key", 3, _BYTES),
        ("not_before", 4, _UINT64),
        ("not_after", 5, _UINT64),
    ],
    "NoiseCertificate": [("details", 1, _BYTES), ("signature", 2, _BYTES)],
    "CertChain": [("leaf", 1, "NoiseCertificate"), ("intermediate", 2, "NoiseCertificate")],
    "ADVKeyIndexList": [
        ("raw_id", 1, _UINT32),
        ("timestamp", 2, _UINT64),
        ("current_index", 3, _UINT32),
        ("valid_indexes", 4, [_UINT32]),
    ],
}


def _described() -> descriptor_pb2.FileDescriptorProto:
    proto = descriptor_pb2.FileDescriptorProto(
        name="teimoso/simulator.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = proto.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(kind, list):
                field.label = _FIELD.LABEL_REPEATED
                field.type = kind[0]
                field.options.packed = True
            elif isinstance(kind, str):
                field.type = _FIELD.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    return proto


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_described())


def _message_class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


CertificateDetails: Final = _message_class("CertificateDetails")
CertChain: Final = _message_class("CertChain")
ADVKeyIndexList: Final = _message_class("ADVKeyIndexList")
