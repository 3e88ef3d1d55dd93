from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.voice_prints import mean_of, packed_mean, packed_prints, prints_of
from asr.wire import FROM_WORKER, FrameReader, VoicePrints, frame


@given(st.integers(0, 10_000), st.integers(1, 70))
def test_prints_come_over_the_wire_as_nearly_what_they_were(seed: int, count: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(count, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    steps = tuple((i, i + 1, 0) for i in range(count))
    prints = VoicePrints(
        session_id="s", generation=1, encoder="e", dim=256, steps=steps, embeddings=packed_prints(rows)
    )
    [(header, _)] = FrameReader().feed(frame(prints))
    assert len(header) < 32_000  # of the longest utterance
    came = FROM_WORKER.validate_json(header)
    assert isinstance(came, VoicePrints)
    assert (np.sum(prints_of(came.embeddings, 256) * rows, axis=1) > 0.999).all()


def test_a_mean_comes_back() -> None:
    row = np.array([0.6, 0.0, 0.8], np.float32)
    assert np.allclose(mean_of(base64.b64decode(packed_mean(row))), row, atol=1e-3)


@pytest.mark.parametrize(("prints", "dim"), [(b"", 4), (b"\1\2\3", 2), (bytes(4), 2)])
def test_what_are_no_prints_is_refused(prints: bytes, dim: int) -> None:
    if not prints:
        assert prints_of(prints, dim).shape == (0, dim)
        return
    with pytest.raises(ValueError, match=r"reshape|no embedding"):
        prints_of(prints, dim)


@pytest.mark.parametrize("mean", [b"", b"\1", bytes(8), np.array([np.nan, 1], "<f2").tobytes()])
def test_what_is_no_mean_is_refused(mean: bytes) -> None:
    with pytest.raises(ValueError, match=r"multiple of element size|no embedding"):
        mean_of(mean)
