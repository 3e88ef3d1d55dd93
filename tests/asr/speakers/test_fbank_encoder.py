from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.contract import Samples
from asr.speakers.fbank import fbank
from asr.speakers.fbank_encoder import BATCH_MAX, FbankEncoder
from asr.speakers.fetched import FETCHED
from protocol.errors import EngineFailed, ModelDamaged
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.tiny_encoder import build_tiny_encoder


@pytest.fixture(params=FETCHED)
def encoder(tmp_path: Path, request: pytest.FixtureRequest) -> FbankEncoder:
    return FbankEncoder(request.param, build_tiny_encoder(tmp_path, request.param))


def windows(encoder: FbankEncoder) -> list[Samples]:
    sample = spoken_sample()
    starts = [int(start_s * 16_000) for start_s, _, _ in sample.turns]
    return [sample.samples[start : start + encoder.info.window_samples] for start in starts]


def test_it_is_the_network_over_bands_without_their_means(encoder: FbankEncoder) -> None:
    kind = FETCHED[encoder.info.name]
    whole = windows(encoder)[0]
    (features,) = fbank([whole], kind.shape, kind.full_scale)
    assert features.shape == (118, 80)
    mixture = np.random.default_rng(0).standard_normal((80, kind.info.dim)).astype(np.float32)
    raw = np.abs(features - features.mean(axis=0)).mean(axis=0) @ mixture
    np.testing.assert_allclose(encoder.embed([whole])[0], raw / np.linalg.norm(raw), atol=1e-5)


def test_what_is_short_is_heard_again_and_again(encoder: FbankEncoder) -> None:
    kind = FETCHED[encoder.info.name]
    short = windows(encoder)[0][: 400 + 58 * 160]  # 59 frames: twice are a whole window
    (features,) = fbank([short], kind.shape, kind.full_scale)
    mixture = np.random.default_rng(0).standard_normal((80, kind.info.dim)).astype(np.float32)
    raw = np.abs(features - features.mean(axis=0)).mean(axis=0) @ mixture
    np.testing.assert_allclose(encoder.embed([short])[0], raw / np.linalg.norm(raw), atol=1e-5)


def test_rows_do_not_hear_each_other(encoder: FbankEncoder) -> None:
    whole = windows(encoder)
    mixed = [*whole, whole[0][:4000], whole[1][:1], np.zeros(300, np.int16)]
    together = encoder.embed(mixed * (BATCH_MAX // len(mixed) + 2))[: len(mixed)]
    alone = np.concatenate([encoder.embed([window]) for window in mixed])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_rows_have_unit_length_unless_nothing_is_heard(encoder: FbankEncoder) -> None:
    embeddings = encoder.embed([np.zeros(1, np.int16), *windows(encoder)])
    assert np.isfinite(embeddings).all()
    np.testing.assert_allclose(np.linalg.norm(embeddings[1:], axis=1), 1, atol=1e-5)
    assert encoder.embed([]).shape == (0, encoder.info.dim)


def test_a_file_that_is_another_network_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="campplus cannot be used"):
        FbankEncoder("campplus", tmp_path)  # none at all
    folder = build_tiny_encoder(tmp_path, "campplus", dim=17)
    with pytest.raises(ModelDamaged, match="`earshot models remove campplus`"):
        FbankEncoder("campplus", folder)
    path = folder / FETCHED["campplus"].file
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelDamaged):
        FbankEncoder("campplus", folder)


def test_a_run_time_that_fails_is_told_as_ours(encoder: FbankEncoder) -> None:
    network = encoder._network
    encoder._network = lambda batch: network(batch.astype(np.float64))  # of which it takes none
    with pytest.raises(EngineFailed, match="encoder of voices failed"):
        encoder.embed(windows(encoder)[:1])
