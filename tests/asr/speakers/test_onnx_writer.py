from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from asr.speakers.onnx_writer import Array, LstmLayer, lstm_model

INPUTS, WIDTH = 5, 7


def layers(count: int) -> list[LstmLayer]:
    random = np.random.default_rng(1)

    def some(*shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32)

    widths = [INPUTS] + [WIDTH] * (count - 1)
    return [LstmLayer(some(28, n), some(28, WIDTH), some(28), some(28)) for n in widths]


def by_hand(layers: list[LstmLayer], sound: np.ndarray) -> np.ndarray:
    """Hochreiter and Schmidhuber's equations, in double precision, of one row: (frames, inputs) -> (width,)."""
    for layer in layers:
        hidden, cell, states = np.zeros(WIDTH), np.zeros(WIDTH), []
        for frame in sound.astype(np.float64):
            gates = layer.inputs @ frame + layer.hidden @ hidden + layer.input_bias + layer.hidden_bias
            let, out, keep = (1 / (1 + np.exp(-gates[i * WIDTH : (i + 1) * WIDTH])) for i in range(3))
            cell = keep * cell + let * np.tanh(gates[3 * WIDTH :])
            hidden = out * np.tanh(cell)
            states.append(hidden)
        sound = np.array(states)
    last: np.ndarray = sound[-1]
    return last


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_checker_of_onnx_has_nothing_to_say(count: int) -> None:
    model = onnx.load_from_string(lstm_model(layers(count)))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["LSTM", "Squeeze"] * (count - 1) + ["LSTM"]


@pytest.mark.parametrize("count", [1, 3])
def test_the_runtime_gives_the_last_state_of_each_row(count: int) -> None:
    made = layers(count)
    session = onnxruntime.InferenceSession(lstm_model(made), providers=["CPUExecutionProvider"])
    sound = np.random.default_rng(2).standard_normal((9, 3, INPUTS)).astype(np.float32)
    frames = np.array([9, 1, 4], np.int32)
    (last,) = session.run(["last"], {"sound": sound, "frames": frames})
    expected = [by_hand(made, sound[:n, row]) for row, n in enumerate(frames)]
    np.testing.assert_allclose(last[0], expected, rtol=0, atol=1e-5)
