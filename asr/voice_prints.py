"""Embeddings of voices as they are written on the wire: prints of steps as bytes, means of voices as half floats."""

from __future__ import annotations

import base64

import numpy as np

from asr.speakers.contract import Embeddings

_SCALE = 127.0


def packed_prints(embeddings: Embeddings) -> bytes:
    """Rows of (n, dim) as signed bytes, each times what makes its largest 127, in base64. Cosines hardly change."""
    largest = np.maximum(np.abs(embeddings).max(axis=1, keepdims=True, initial=0.0), 1e-9)
    return base64.b64encode(np.rint(embeddings * (_SCALE / largest)).astype(np.int8).tobytes())


def prints_of(embeddings: bytes, dim: int) -> Embeddings:
    """Rows of unit length, (n, dim). Raises ``ValueError`` for bytes that are no whole rows, or nothing at all."""
    rows: Embeddings = np.frombuffer(embeddings, np.int8).reshape(-1, dim).astype(np.float32)
    return unit_rows(rows)


def packed_mean(embedding: Embeddings) -> bytes:
    """(dim,) as float16, little-endian, in base64."""
    return base64.b64encode(embedding.astype("<f2").tobytes())


def mean_of(embedding: bytes) -> Embeddings:
    """(dim,), of unit length. Raises ``ValueError`` for bytes that are none."""
    mean: Embeddings = unit_rows(np.frombuffer(embedding, "<f2").astype(np.float32)[np.newaxis])[0]
    return mean


def unit_rows(rows: Embeddings) -> Embeddings:
    """Raises ``ValueError`` when a row has no direction."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not rows.shape[1] or not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise ValueError("no embedding of a voice")
    unit: Embeddings = rows / lengths
    return unit
