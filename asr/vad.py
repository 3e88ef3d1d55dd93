"""Voice activity: how likely each 32 ms of sound holds a voice. One call for all sessions.

The silero network is taken from the wheel that carries it, as a file: its Python package wants torch, which we do not.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from asr.contract import Samples
from asr.silero import CONTEXT_SAMPLES, INPUT_SAMPLES, STATE_WIDTH, Silero
from asr.utterances import FRAME_SAMPLES
from protocol.errors import EngineFailed

log = structlog.get_logger(__name__)

# In the order of preference.
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
    power: npt.NDArray[np.float32] = np.einsum("ij,ij->i", frames, frames)
    levels: list[float] = np.sqrt(power / FRAME_SAMPLES).tolist()
    return levels


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


class _State:
    """Of one session: what the network remembers, and the end of the frame before."""

    __slots__ = ("context", "memory")

    def __init__(self) -> None:
        self.context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self.memory = np.zeros((2, STATE_WIDTH), np.float32)  # hidden, cell


class SileroVoiceActivity:
    """The silero network. ``path``: its file; found in an installed wheel without it.

    All frames of all sessions go through what has no memory at once; what remembers takes one frame of each at a time.
    Raises ``EngineFailed`` when there is no such network here.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or silero_path()
        try:
            self._network = Silero(path)
        except ValueError as error:
            raise EngineFailed(f"the voice activity model cannot be used: {error}") from error
        log.info("voice activity loaded", model=path.name)

    def open(self) -> Any:
        return _State()

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        counts = [len(samples) // FRAME_SAMPLES for _, samples in batch]
        # The longest first: whoever still has frames is then always at the beginning.
        order = [i for i in sorted(range(len(batch)), key=lambda i: -counts[i]) if counts[i]]
        if not order:
            return [[] for _ in batch]
        states: list[_State] = [batch[i][0] for i in order]
        lengths = np.array([counts[i] for i in order])
        firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        gates = self._network.features(_with_context(states, [batch[i][1] for i in order], firsts))
        memory = np.array([state.memory for state in states])
        hidden, cell = memory.transpose(1, 0, 2).copy()
        probabilities = np.empty(len(gates), np.float32)
        for at in range(int(lengths[0])):
            rows = firsts[: int(np.count_nonzero(lengths > at))] + at
            probabilities[rows] = self._network.advance(gates[rows], hidden[: len(rows)], cell[: len(rows)])
        memory[:, 0], memory[:, 1] = hidden, cell
        for state, one in zip(states, memory, strict=True):
            state.memory = one.copy()  # a view would keep all the others
        told: list[list[float]] = [[] for _ in batch]
        for i, first in zip(order, firsts, strict=True):
            told[i] = probabilities[first : first + counts[i]].tolist()
        return told


def _with_context(
    states: list[_State], sounds: list[Samples], firsts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Frames of -1..1, each behind the end of the one before: shape (all frames, 64 + 512)."""
    sound = np.concatenate(sounds) if len(sounds) > 1 else sounds[0]
    frames = np.empty((len(sound) // FRAME_SAMPLES, INPUT_SAMPLES), np.float32)
    np.divide(sound.reshape(-1, FRAME_SAMPLES), np.float32(32768.0), out=frames[:, CONTEXT_SAMPLES:])
    frames[1:, :CONTEXT_SAMPLES] = frames[:-1, -CONTEXT_SAMPLES:]
    frames[firsts, :CONTEXT_SAMPLES] = [state.context for state in states]
    lasts = np.append(firsts[1:], len(frames)) - 1
    for state, context in zip(states, frames[lasts, -CONTEXT_SAMPLES:], strict=True):
        state.context = context.copy()
    return frames
