"""Encoders of the WeSpeaker and 3D-Speaker family, as ONNX: fbank (n, frames, 80) in, embeddings (n, dim) out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog

from asr.contract import Samples
from asr.speakers.contract import Embeddings, EncoderInfo
from asr.speakers.fbank import BANDS, FRAME_SAMPLES, Array, fbank, frames_of
from asr.speakers.fetched import FETCHED
from asr.speakers.onnx_file import Run, open_network
from protocol.errors import EngineFailed

log = structlog.get_logger(__name__)

BATCH_MAX = 8  # what is kept of each layer is some MB a window


class FbankEncoder:
    """``name``: of ``FETCHED``; ``folder``: where its file is. One thread, which never spins.

    What the file calls its input and output differs; there is one of each. Raises ``ModelDamaged`` when the file is no
    encoder of this kind.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._kind = FETCHED[name]
        self._frames = frames_of(self._kind.info.window_samples)
        frames = np.zeros((1, self._frames, BANDS), np.float32)
        self._network = open_network(name, folder / self._kind.file, lambda network: self._run(network, frames))
        log.info("voice encoder loaded", model=name)

    @property
    def info(self) -> EncoderInfo:
        return self._kind.info

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        embeddings = np.empty((len(windows), self.info.dim), np.float32)
        for at in range(0, len(windows), BATCH_MAX):
            batch = np.stack([self._features(window) for window in windows[at : at + BATCH_MAX]])
            batch -= batch.mean(axis=1, keepdims=True)
            try:
                rows = self._run(self._network, batch)
            except Exception as error:
                raise EngineFailed("the encoder of voices failed") from error
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            embeddings[at : at + len(rows)] = rows / np.maximum(lengths, np.float32(1e-9))
        return embeddings

    def _features(self, window: Samples) -> Array:
        """(frames of a whole window, 80): those that there are, again and again."""
        if len(window) < FRAME_SAMPLES:
            window = np.pad(window, (0, FRAME_SAMPLES - len(window)))
        features = fbank([window[: self.info.window_samples]], self._kind.shape, self._kind.full_scale)[0]
        repeated: Array = np.resize(features, (self._frames, BANDS))
        return repeated

    def _run(self, network: Run, batch: Array) -> Embeddings:
        rows = network(batch)
        if rows.shape != (len(batch), self.info.dim):
            raise ValueError(f"embeddings of the shape {rows.shape}")
        found: Embeddings = rows
        return found
