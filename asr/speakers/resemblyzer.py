"""The encoder whose weights come in the Resemblyzer wheel (Apache-2.0): nothing is fetched, nothing of it imported.

Wan et al. 2018 ("Generalized End-to-End Loss for Speaker Verification"): mel spectra -> 3 LSTM of 256 -> the last state
through a layer of 256 -> what is above zero, at unit length. The package itself wants torch, which we do not.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import structlog

from asr.contract import Samples
from asr.speakers.contract import Embeddings
from asr.speakers.embedded import EMBEDDED, WIDTH
from asr.speakers.mel import BANDS, mel_spectra
from asr.speakers.onnx_writer import Array, LstmLayer, lstm_model
from asr.speakers.torch_weights import torch_weights
from protocol.errors import EngineFailed, ModelDamaged

log = structlog.get_logger(__name__)

BATCH_MAX = 32  # more at once gains nothing, and the state of all layers is kept for each
LAYERS = 3
_GATES = [0, 3, 1, 2]  # torch has input, forget, cell, output


def weights_path() -> Path:
    """The weights in the installed wheel. Raises ``EngineFailed`` when there are none."""
    try:
        wheel = importlib.metadata.distribution("Resemblyzer")
    except importlib.metadata.PackageNotFoundError:
        raise EngineFailed("no voices can be told apart: install Resemblyzer (without its dependencies)") from None
    path = Path(str(wheel.locate_file("resemblyzer/pretrained.pt")))
    if not path.is_file():
        raise EngineFailed("no voices can be told apart: the installed Resemblyzer has no weights")
    return path


class ResemblyzerEncoder:
    """``path``: the weights; those of the installed wheel without it. One thread, which never spins.

    Raises ``EngineFailed`` when there are none, ``ModelDamaged`` when they are not those of this network.
    """

    info = EMBEDDED

    def __init__(self, path: Path | None = None) -> None:
        path = path or weights_path()
        try:
            weights = torch_weights(path, "model_state")
            layers = [_layer(weights, i) for i in range(LAYERS)]
            self._out = np.ascontiguousarray(_take(weights, "linear.weight", WIDTH, WIDTH).T)
            self._out_bias = _take(weights, "linear.bias", WIDTH)
        except (OSError, ValueError) as error:
            raise ModelDamaged(f"the weights of voices cannot be used: {error}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(lstm_model(layers), options, providers=["CPUExecutionProvider"])
        log.info("voice encoder loaded", model=path.name)

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        embeddings = np.empty((len(windows), WIDTH), np.float32)
        for at in range(0, len(windows), BATCH_MAX):
            sound, frames = mel_spectra(windows[at : at + BATCH_MAX])
            try:
                (last,) = self._session.run(["last"], {"sound": sound, "frames": frames})
            except Exception as error:  # the runtime's own classes are not public
                raise EngineFailed("the encoder of voices failed") from error
            rows = embeddings[at : at + len(frames)]
            np.maximum(last[0] @ self._out + self._out_bias, 0.0, out=rows)
            rows += np.float32(1e-9)  # of nothing at all, a direction as good as any
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return embeddings


def _take(weights: Mapping[str, Array], name: str, *shape: int) -> Array:
    found = weights.get(name)
    if found is None or found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"no {name} of the shape {shape}")
    return found


def _layer(weights: Mapping[str, Array], i: int) -> LstmLayer:
    inputs = BANDS if i == 0 else WIDTH
    shapes = {"weight_ih": (inputs,), "weight_hh": (WIDTH,), "bias_ih": (), "bias_hh": ()}
    gates = [_take(weights, f"lstm.{name}_l{i}", 4 * WIDTH, *shape) for name, shape in shapes.items()]
    return LstmLayer(*(gate.reshape(4, WIDTH, *gate.shape[1:])[_GATES].reshape(gate.shape) for gate in gates))
