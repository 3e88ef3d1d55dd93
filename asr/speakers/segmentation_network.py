"""pyannote's segmentation network as ONNX: mono sound (n, 1, samples) in, logarithms per class (n, frames, 7) out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import structlog

from asr.contract import Samples
from asr.speakers.segmentation import CHUNK_SAMPLES, FILE, NAME, POWERSET, SHIFT_SAMPLES, Scores
from protocol.errors import EngineFailed, ModelDamaged

log = structlog.get_logger(__name__)

LEAST_SAMPLES = 8000  # less than that is padded with silence
FULL_SCALE = np.float32(32768)


class SegmentationNetwork:
    """``folder``: where its file is. One thread, which never spins. Raises ``ModelDamaged``."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            (self._sound,) = (one.name for one in self._session.get_inputs())
            (self._scores,) = (one.name for one in self._session.get_outputs())
            self._run(np.zeros(LEAST_SAMPLES, np.float32))
        except Exception as error:  # the runtime's own classes are not public
            advice = f"fetch it anew: `earshot models remove {NAME}`, then `pull`"
            raise ModelDamaged(f"{NAME} cannot be used ({path.name} is not what it should be); {advice}") from error
        log.info("segmentation of voices loaded", model=NAME)

    def hear(self, sound: Samples) -> Scores:
        """(frames, classes), for ``asr.speakers.segmentation.decoded``. At most ``CHUNK_SAMPLES`` of s16 at 16 kHz.

        Ten seconds take some 40 ms. Raises ``EngineFailed``.
        """
        if len(sound) > CHUNK_SAMPLES:
            raise ValueError("more sound at once than the network was trained on")
        padded = np.pad(sound.astype(np.float32) / FULL_SCALE, (0, max(0, LEAST_SAMPLES - len(sound))))
        try:
            scores = self._run(padded)
        except Exception as error:
            raise EngineFailed("the segmentation of voices failed") from error
        return scores[: max(1, len(sound) // SHIFT_SAMPLES)]

    def _run(self, sound: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Scores:
        (answer,) = self._session.run([self._scores], {self._sound: sound[None, None]})
        scores: Scores = answer[0]
        if scores.ndim != 2 or scores.shape[1] != len(POWERSET) or not np.isfinite(scores).all():
            raise ValueError(f"scores of the shape {answer.shape}")
        return scores
