"""Voice activity: how likely each 32 ms of sound holds a voice. One call for all sessions.

The silero network is taken from the wheel that carries it, as a file: its Python package wants torch, which we do not.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from asr.contract import Samples
from asr.utterances import FRAME_SAMPLES
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed

log = structlog.get_logger(__name__)

_CONTEXT_SAMPLES = 64  # what the network wants to see of the frame before
_STATE_WIDTH = 128
# In the order of preference: the first takes many sessions in one call, the second many frames of one session.
_WHEELS = (
    ("silero-vad", "silero_vad/data/silero_vad_16k_op15.onnx"),
    ("faster-whisper", "faster_whisper/assets/silero_vad_v6.onnx"),
)


class VoiceActivity(Protocol):
    """Listens to many sessions; the state of each is opaque to everybody else."""

    def open(self) -> Any:
        """The state of a session that begins."""

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        """For each ``(state, whole frames)`` the probability of voice per frame; states are advanced in place."""


class EnergyVoiceActivity:
    """Sound is voice: for tests, where tones stand for words."""

    THRESHOLD = 100.0  # root mean square of s16; the noise of a telephone line is below

    def open(self) -> Any:
        return None

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        return [[float(level > self.THRESHOLD) for level in levels(frames)] for _, frames in batch]


def levels(samples: Samples) -> list[float]:
    """Root mean square of each frame of s16 ``samples`` (whole frames)."""
    frames = samples.reshape(-1, FRAME_SAMPLES).astype(np.float32)
    return [float(level) for level in np.sqrt(np.mean(frames * frames, axis=1))]


def silero_path() -> Path:
    """The network in an installed wheel. Raises ``EngineFailed`` when there is none."""
    for distribution, name in _WHEELS:
        try:
            path = Path(str(importlib.metadata.distribution(distribution).locate_file(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
        if path.is_file():
            return path
    raise EngineFailed("no voice activity model: install faster-whisper or silero-vad")


@dataclass(slots=True)
class _State:
    context: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(_CONTEXT_SAMPLES, np.float32))
    hidden: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 1, _STATE_WIDTH), np.float32))


class SileroVoiceActivity:
    """The silero network on one thread. ``path``: the network; found in an installed wheel without it."""

    def __init__(self, path: Path | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A spinning pool would burn a core between frames; one thread needs no pool at all.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        path = path or silero_path()
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._batched = "state" in {wanted.name for wanted in self._session.get_inputs()}
        log.info("voice activity loaded", model=path.name, batched=self._batched)

    def open(self) -> Any:
        return _State()

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        inputs = [_with_context(state, samples) for state, samples in batch]
        states = [state for state, _ in batch]
        if self._batched:
            return self._across_sessions(states, inputs)
        return [self._along_session(state, frames) for state, frames in zip(states, inputs, strict=True)]

    def _across_sessions(self, states: list[_State], inputs: list[npt.NDArray[np.float32]]) -> list[list[float]]:
        told: list[list[float]] = [[] for _ in states]
        for at in range(max((len(frames) for frames in inputs), default=0)):
            rows = [i for i, frames in enumerate(inputs) if at < len(frames)]
            probabilities, hidden = self._session.run(
                None,
                {
                    "input": np.stack([inputs[i][at] for i in rows]),
                    "state": np.concatenate([states[i].hidden for i in rows], axis=1),
                    "sr": np.array(SAMPLE_RATE_HZ, dtype=np.int64),
                },
            )
            for row, i in enumerate(rows):
                told[i].append(float(probabilities[row, 0]))
                states[i].hidden = hidden[:, row : row + 1]
        return told

    def _along_session(self, state: _State, frames: npt.NDArray[np.float32]) -> list[float]:
        if not len(frames):
            return []
        feeds = {"input": frames, "h": state.hidden[:1], "c": state.hidden[1:]}
        probabilities, hidden, cell = self._session.run(None, feeds)
        state.hidden = np.concatenate([hidden, cell])
        return [float(probability) for probability in probabilities.reshape(-1)]


def _with_context(state: _State, samples: Samples) -> npt.NDArray[np.float32]:
    """Frames of -1..1, each behind the end of the one before: shape (frames, 64 + 512)."""
    sound = np.concatenate([state.context, samples.astype(np.float32) / 32768.0])
    state.context = sound[-_CONTEXT_SAMPLES:]
    count = len(samples) // FRAME_SAMPLES
    starts = np.arange(count)[:, None] * FRAME_SAMPLES
    return np.ascontiguousarray(sound[starts + np.arange(_CONTEXT_SAMPLES + FRAME_SAMPLES)[None, :]])
