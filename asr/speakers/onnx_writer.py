"""Layers of LSTM as an ONNX file, for the runtime: just enough of protocol buffers to write one.

Field numbers are those of onnx.proto (github.com/onnx/onnx); operators are those of version 17 of its set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_IR_VERSION, _OPSET = 8, 17
_FLOAT, _INT32, _INT64 = 1, 6, 7
_INT_ATTRIBUTE = 2

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LstmLayer:
    """Gates in ONNX's order: input, output, forget, cell. (4 width, inputs), (4 width, width), two of (4 width,)."""

    inputs: Array
    hidden: Array
    input_bias: Array
    hidden_bias: Array


def lstm_model(layers: Sequence[LstmLayer]) -> bytes:
    """Takes ``sound`` (frames, n, inputs) and ``frames`` (n,) int32; gives ``last`` (1, n, width): the last layer's
    hidden state after so many frames of each row.
    """
    tensors = [_tensor("axis", np.array([1], np.int64), _INT64)]
    nodes, sound = [], "sound"
    for i, layer in enumerate(layers):
        bias = np.concatenate([layer.input_bias, layer.hidden_bias])
        values = {f"w{i}": layer.inputs, f"r{i}": layer.hidden, f"b{i}": bias}
        tensors += [_tensor(name, value[None], _FLOAT) for name, value in values.items()]
        ends = i == len(layers) - 1
        outputs = ["", "last"] if ends else [f"y{i}"]
        nodes.append(_node("LSTM", [sound, *values, "frames"], outputs, {"hidden_size": layer.hidden.shape[1]}))
        if not ends:  # the axis of directions, of which there is one
            nodes.append(_node("Squeeze", [f"y{i}", "axis"], [f"x{i}"], {}))
            sound = f"x{i}"
    first, last = layers[0].inputs.shape[1], layers[-1].hidden.shape[1]
    graph = b"".join(
        [
            *(_message(1, node) for node in nodes),
            _text(2, "voice"),
            *(_message(5, tensor) for tensor in tensors),
            _message(11, _value("sound", _FLOAT, ["t", "n", first])),
            _message(11, _value("frames", _INT32, ["n"])),
            _message(12, _value("last", _FLOAT, [1, "n", last])),
        ]
    )
    return _number(1, _IR_VERSION) + _message(8, _text(1, "") + _number(2, _OPSET)) + _message(7, graph)


def _node(operator: str, inputs: Iterable[str], outputs: Iterable[str], attributes: dict[str, int]) -> bytes:
    ports = [_text(1, name) for name in inputs] + [_text(2, name) for name in outputs]
    given = [
        _message(5, _text(1, name) + _number(3, value) + _number(20, _INT_ATTRIBUTE))
        for name, value in attributes.items()
    ]
    return b"".join([*ports, _text(4, operator), *given])


def _tensor(name: str, value: npt.NDArray[np.generic], kind: int) -> bytes:
    dims = b"".join(_number(1, size) for size in value.shape)
    return dims + _number(2, kind) + _text(8, name) + _message(9, np.ascontiguousarray(value).tobytes())


def _value(name: str, kind: int, shape: Iterable[int | str]) -> bytes:
    dims = b"".join(_message(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    return _text(1, name) + _message(2, _message(1, _number(1, kind) + _message(2, dims)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
