"""Our arithmetic against the runtime that the network is made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from asr.onnx_weights import float_weights
from asr.silero import INPUT_SAMPLES, STATE_WIDTH, Silero
from asr.utterances import FRAME_SAMPLES
from asr.vad import _WHEELS, silero_path
from tests.fakes.spoken_sample import spoken_sample

FRAMES = 60


@pytest.fixture(params=[name for _, name in _WHEELS], ids=[name for name, _ in _WHEELS])
def path(request: pytest.FixtureRequest) -> Path:
    path: Path = silero_path().parents[2] / request.param
    if not path.is_file():
        pytest.skip(f"{request.param} is not installed")
    return path


def frames() -> np.ndarray:
    speech = spoken_sample().samples[15_000:].astype(np.float32) / 32768.0
    return np.stack([speech[i * FRAME_SAMPLES :][:INPUT_SAMPLES] for i in range(FRAMES)])


def by_runtime(path: Path, sound: np.ndarray) -> list[float]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state = np.zeros((2, 1, STATE_WIDTH), np.float32)
    if "state" not in {wanted.name for wanted in session.get_inputs()}:
        feeds = {"input": sound, "h": state[:1], "c": state[1:]}
        return [float(probability) for probability in session.run(None, feeds)[0].reshape(-1)]
    told = []
    for row in sound:
        out, state = session.run(None, {"input": row[None], "state": state, "sr": np.array(16_000, np.int64)})
        told.append(float(out[0, 0]))
    return told


def test_it_says_what_the_runtime_says(path: Path) -> None:
    sound = frames()
    network = Silero(path)
    hidden, cell = np.zeros((2, 1, STATE_WIDTH), np.float32)
    gates = network.features(sound)
    told = [float(network.advance(gates[i : i + 1], hidden, cell)[0]) for i in range(FRAMES)]
    assert told == pytest.approx(by_runtime(path, sound), abs=2e-5)
    assert max(told) > 0.9
    assert min(told) < 0.2


def test_rows_do_not_hear_each_other(path: Path) -> None:
    sound = np.concatenate([frames(), -frames()[::-1], frames() * 0.1])
    network = Silero(path)
    together = network.features(sound)
    for i in (0, 63, 64, len(sound) - 1):  # more than one block
        np.testing.assert_allclose(network.features(sound[i : i + 1])[0], together[i], atol=1e-3)


def test_what_is_no_such_network_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    for data in (b"", b"\x3a\x02\x2a\x00", b"no network at all", b"\xff" * 40, b"\x38\x01"):
        other.write_bytes(data)
        with pytest.raises(ValueError, match=r"other\.onnx"):
            Silero(other)


def test_only_float_tensors_are_taken(path: Path) -> None:
    weights = float_weights(path)
    assert len(weights) >= 13
    assert all(tensor.dtype == np.float32 for tensor in weights)
