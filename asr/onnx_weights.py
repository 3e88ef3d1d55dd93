"""The float tensors stored in an ONNX file, in their order: just enough of protocol buffers to find them.

Field numbers are those of onnx.proto (github.com/onnx/onnx): ModelProto.graph 7, GraphProto.initializer 5, TensorProto
dims 1, data_type 2, raw_data 9.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

_FLOAT = 1
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def float_weights(path: Path) -> list[npt.NDArray[np.float32]]:
    """The initializers of float32 in the main graph. Raises ``ValueError`` for what is no such file."""
    tensors = []
    try:
        for number, graph in _fields(memoryview(path.read_bytes())):
            if number == 7 and isinstance(graph, memoryview):
                tensors += [_tensor(data) for field, data in _fields(graph) if field == 5]
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no ONNX file") from error
    return [tensor for tensor in tensors if tensor is not None]


def _tensor(data: int | memoryview) -> npt.NDArray[np.float32] | None:
    shape: list[int] = []
    kind, raw = 0, memoryview(b"")
    for number, value in _fields(data):
        if number == 1:
            shape += [value] if isinstance(value, int) else _varints(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 9 and isinstance(value, memoryview):
            raw = value
    if kind != _FLOAT or not raw:
        return None
    return np.frombuffer(raw, "<f4").reshape(shape)


def _fields(data: int | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    if isinstance(data, int):
        raise TypeError("a number where a message should be")
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == _VARINT:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if key & 7 == _BYTES:
            length, at = _varint(data, at)
        else:
            length = {_FIXED_64: 8, _FIXED_32: 4}[key & 7]
        yield key >> 3, data[at : at + length]
        at += length


def _varints(data: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value)
    return values


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at
