"""A streaming transducer of a few thousand random weights, in the files and with the metadata that sherpa-onnx wants.

It hears nothing sensible, but what it says depends on the sound, on the state it carries and on what it said before, so
that a mistake in batching, in cutting the sound or in keeping streams apart shows. Of the kinds of network that
sherpa-onnx knows, ``lstm`` has the plainest state: one h and one c for all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS = (
    "<blk>", "<sos/eos>", "<unk>", "▁THE", "▁A", "▁SEA", "S", "ING", "▁B", "AT", "▁WHALE", "▁IS", "H", "▁",
    "L", "O", "NE", "E", "A", "W", "T", "N", "I",
)  # fmt: skip
_MELS = 80
_CHUNK_FRAMES, _SHIFT_FRAMES = 12, 8  # of 10 ms; two frames of output for each chunk
_WIDTH = 24
_CONTEXT = 2
_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64


def build_tiny_transducer(folder: Path, *, seed: int = 5, stem: str = "", number: str = "") -> Path:
    """Write encoder, decoder and joiner, tokens.txt and bpe.vocab; under 0.3 MB. Returns the folder.

    ``stem`` and ``number`` come before ``.onnx`` in the files' names, as they do in those of published models.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    _write(folder / f"encoder{stem}{number}.onnx", _encoder(random), _encoder_metadata())
    _write(folder / f"decoder{stem}.onnx", _decoder(random), {"vocab_size": len(TOKENS), "context_size": _CONTEXT})
    _write(folder / f"joiner{stem}{number}.onnx", _joiner(random), {"joiner_dim": _WIDTH})
    (folder / "tokens.txt").write_text("".join(f"{token} {i}\n" for i, token in enumerate(TOKENS)), "utf-8")
    # Scores of a unigram model: the longer the piece, the likelier.
    pieces = "".join(f"{token}\t{len(token) - 12}\n" for token in TOKENS[3:])
    (folder / "bpe.vocab").write_text(pieces, "utf-8")
    return folder


def _encoder_metadata() -> dict[str, Any]:
    return {
        "model_type": "lstm",
        "version": "1",
        "model_author": "k2-fsa",
        "num_encoder_layers": 1,
        "T": _CHUNK_FRAMES,
        "decode_chunk_len": _SHIFT_FRAMES,
        "rnn_hidden_size": _WIDTH,
        "d_model": _WIDTH,
    }


def _encoder(random: np.random.Generator) -> onnx.GraphProto:
    """x (N, chunk, 80), h and c (1, N, width) to encoder_out (N, 2, width) and the new h and c."""
    joined = _MELS * 4
    constants = {
        "zero": np.array([0]), "shift": np.array([_SHIFT_FRAMES]), "time": np.array([1]),
        "by_four": np.array([0, -1, joined]), "level": np.float32(8), "spread": np.float32(4),
        "w": _weights(random, 1, 4 * _WIDTH, joined, scale=2.0),
        "r": _weights(random, 1, 4 * _WIDTH, _WIDTH, scale=1.5),
    }  # fmt: skip
    nodes = [
        helper.make_node("Slice", ["x", "zero", "shift", "time"], ["new"]),
        helper.make_node("Add", ["new", "level"], ["above"]),
        helper.make_node("Div", ["above", "spread"], ["even"]),
        helper.make_node("Reshape", ["even", "by_four"], ["frames"]),
        helper.make_node("Transpose", ["frames"], ["by_time"], perm=[1, 0, 2]),
        helper.make_node(
            "LSTM", ["by_time", "w", "r", "", "", "h", "c"], ["y", "next_h", "next_c"], hidden_size=_WIDTH
        ),
        helper.make_node("Squeeze", ["y", "time"], ["told"]),
        helper.make_node("Transpose", ["told"], ["encoder_out"], perm=[1, 0, 2]),
    ]
    state: list[int | str] = [1, "N", _WIDTH]
    inputs = [_value("x", ["N", _CHUNK_FRAMES, _MELS]), _value("h", state), _value("c", state)]
    outputs = [_value("encoder_out", ["N", 2, _WIDTH]), _value("next_h", state), _value("next_c", state)]
    return helper.make_graph(nodes, "encoder", inputs, outputs, _tensors(constants))


def _decoder(random: np.random.Generator) -> onnx.GraphProto:
    """y (N, context) to decoder_out (N, width)."""
    constants = {"embedding": _weights(random, len(TOKENS), _WIDTH, scale=3.0), "time": np.array([1])}
    nodes = [
        helper.make_node("Gather", ["embedding", "y"], ["each"]),
        helper.make_node("ReduceSum", ["each", "time"], ["decoder_out"], keepdims=0),
    ]
    outputs = [_value("decoder_out", ["N", _WIDTH])]
    return helper.make_graph(nodes, "decoder", [_value("y", ["N", _CONTEXT], _INT)], outputs, _tensors(constants))


def _joiner(random: np.random.Generator) -> onnx.GraphProto:
    """encoder_out and decoder_out (N, width) to logit (N, tokens); a blank is likely, <unk> and <sos/eos> are not."""
    bias = np.zeros(len(TOKENS), np.float32)
    bias[:3] = 2.0, -50.0, -50.0
    constants = {"out": _weights(random, _WIDTH, len(TOKENS), scale=6.0), "bias": bias}
    nodes = [
        helper.make_node("Add", ["encoder_out", "decoder_out"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["bent"]),
        helper.make_node("MatMul", ["bent", "out"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["logit"]),
    ]
    inputs = [_value("encoder_out", ["N", _WIDTH]), _value("decoder_out", ["N", _WIDTH])]
    return helper.make_graph(nodes, "joiner", inputs, [_value("logit", ["N", len(TOKENS)])], _tensors(constants))


def _weights(random: np.random.Generator, *shape: int, scale: float) -> np.ndarray[Any, Any]:
    weights: np.ndarray[Any, Any] = random.standard_normal(shape) * scale / np.sqrt(shape[-1])
    return weights.astype(np.float32)


def _value(name: str, shape: Sequence[int | str], kind: int = _FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def _tensors(constants: dict[str, Any]) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]


def _write(path: Path, graph: onnx.GraphProto, metadata: dict[str, Any]) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
