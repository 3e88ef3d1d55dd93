from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from asr.contract import Samples
from asr.speakers.contract import Embeddings, SpeakerEncoder
from asr.speakers.embedded import EMBEDDED
from asr.speakers.mel import mel_spectra
from asr.speakers.resemblyzer import BATCH_MAX, ResemblyzerEncoder, weights_path
from asr.speakers.torch_weights import torch_weights
from protocol.errors import EngineFailed, ModelDamaged
from tests.fakes.spoken_sample import spoken_sample


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    return ResemblyzerEncoder()


def windows() -> list[Samples]:
    """One of each turn; two voices take turns in the sample."""
    sample = spoken_sample()
    starts = [int(start_s * 16_000) for start_s, _, _ in sample.turns]
    return [sample.samples[start : start + EMBEDDED.window_samples] for start in starts]


def by_torchs_definition(window: Samples) -> Embeddings:
    """``nn.LSTM``, ``nn.Linear`` and ``nn.ReLU`` as torch documents them, in double precision."""
    weights = {name: value.astype(np.float64) for name, value in torch_weights(weights_path(), "model_state").items()}
    sound = mel_spectra([window])[0][:, 0].astype(np.float64)
    for i in range(3):
        hidden, cell, states = np.zeros(256), np.zeros(256), []
        for frame in sound:
            gates = weights[f"lstm.weight_ih_l{i}"] @ frame + weights[f"lstm.bias_ih_l{i}"]
            gates += weights[f"lstm.weight_hh_l{i}"] @ hidden + weights[f"lstm.bias_hh_l{i}"]
            let, keep, _, out = 1 / (1 + np.exp(-gates.reshape(4, 256)))
            cell = keep * cell + let * np.tanh(gates[512:768])
            hidden = out * np.tanh(cell)
            states.append(hidden)
        sound = np.array(states)
    raw = np.maximum(weights["linear.weight"] @ sound[-1] + weights["linear.bias"], 0)
    unit: Embeddings = (raw / np.linalg.norm(raw)).astype(np.float32)
    return unit


def test_it_is_the_network_that_the_weights_are_of(encoder: SpeakerEncoder) -> None:
    some = windows()[:2]
    expected = [by_torchs_definition(window) for window in some]
    np.testing.assert_allclose(encoder.embed(some), expected, rtol=0, atol=2e-6)


def test_two_voices_are_told_apart(encoder: SpeakerEncoder) -> None:
    embeddings = encoder.embed(windows())
    alike = embeddings @ embeddings.T
    voices = np.arange(len(embeddings)) % 2
    same = voices[:, None] == voices
    assert alike[same].min() > alike[~same].max() + 0.1


def test_rows_do_not_hear_each_other(encoder: SpeakerEncoder) -> None:
    whole = windows()
    mixed = [*whole, whole[0][:4000], whole[1][:1], np.zeros(300, np.int16)]
    together = encoder.embed(mixed * (BATCH_MAX // len(mixed) + 1))[: len(mixed)]
    alone = np.concatenate([encoder.embed([window]) for window in mixed])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_rows_have_unit_length_even_of_nothing(encoder: SpeakerEncoder) -> None:
    embeddings = encoder.embed([np.zeros(1, np.int16), np.full(19_200, 32767, np.int16), *windows()])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert encoder.embed([]).shape == (0, EMBEDDED.dim)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pretrained.pt"
    with pytest.raises(ModelDamaged):
        ResemblyzerEncoder(path)
    path.write_bytes(weights_path().read_bytes()[:1_000_000])
    with pytest.raises(ModelDamaged, match=r"pretrained\.pt"):
        ResemblyzerEncoder(path)


def test_without_the_wheel_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", none)
    with pytest.raises(EngineFailed, match="Resemblyzer"):
        ResemblyzerEncoder()
