"""pyannote's segmentation network as ONNX: mono sound (n, 1, samples) in, logarithms per class (n, frames, 7) out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import structlog

from asr.contract import Samples
from asr.speakers.onnx_file import Run, open_network
from asr.speakers.segmentation import CHUNK_SAMPLES, FILE, NAME, POWERSET, SHIFT_SAMPLES, Scores
from protocol.errors import EngineFailed

log = structlog.get_logger(__name__)

LEAST_SAMPLES = 8000  # less than that is padded with silence
FULL_SCALE = np.float32(32768)


class SegmentationNetwork:
    """``folder``: where its file is. One thread, which never spins. Raises ``ModelDamaged``."""

    def __init__(self, folder: Path) -> None:
        silence = np.zeros(LEAST_SAMPLES, np.float32)
        self._network = open_network(NAME, folder / FILE, lambda network: _run(network, silence))
        log.info("segmentation of voices loaded", model=NAME)

    def hear(self, sound: Samples) -> Scores:
        """(frames, classes), for ``asr.speakers.segmentation.decoded``. At most ``CHUNK_SAMPLES`` of s16 at 16 kHz.

        Ten seconds take some 40 ms. Raises ``EngineFailed``.
        """
        if len(sound) > CHUNK_SAMPLES:
            raise ValueError("more sound at once than the network was trained on")
        padded = np.pad(sound.astype(np.float32) / FULL_SCALE, (0, max(0, LEAST_SAMPLES - len(sound))))
        try:
            scores = _run(self._network, padded)
        except Exception as error:
            raise EngineFailed("the segmentation of voices failed") from error
        return scores[: max(1, len(sound) // SHIFT_SAMPLES)]


def _run(network: Run, sound: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Scores:
    answer = network(sound[None, None])
    scores: Scores = answer[0]
    if scores.ndim != 2 or scores.shape[1] != len(POWERSET) or not np.isfinite(scores).all():
        raise ValueError(f"scores of the shape {answer.shape}")
    return scores
