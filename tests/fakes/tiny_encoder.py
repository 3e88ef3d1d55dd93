"""A fetched encoder of voices with the inputs and outputs of the real file, and random weights.

Its embedding is the mean over time of a random mixture of the bands, at no special length.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from asr.speakers.fbank import BANDS
from asr.speakers.fetched import FETCHED

NAMES = {"campplus": ("x", "embedding"), "wespeaker-resnet34": ("feats", "embs")}


def build_tiny_encoder(folder: Path, name: str, *, dim: int | None = None) -> Path:
    """``folder``, which is made, with the one file that the encoder ``name`` is. ``dim``: another size than it has."""
    sound, embeddings = NAMES[name]
    dim = dim or FETCHED[name].info.dim
    mixture = np.random.default_rng(0).standard_normal((BANDS, dim)).astype(np.float32)
    nodes = [
        # What is there at all of a band without its mean is how much it moves.
        helper.make_node("Abs", [sound], ["moves"]),
        helper.make_node("ReduceMean", ["moves"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "mixture"], [embeddings]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny encoder",
        [helper.make_tensor_value_info(sound, TensorProto.FLOAT, ["N", "T", BANDS])],
        [helper.make_tensor_value_info(embeddings, TensorProto.FLOAT, ["N", dim])],
        [numpy_helper.from_array(mixture, "mixture")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8  # older run times than the package's newest
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / FETCHED[name].file)
    return folder
