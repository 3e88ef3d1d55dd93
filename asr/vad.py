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
from asr.renewal import ALONG_FRAMES, RENEW_FRAMES
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

    def open(self, first_frame: int = 0) -> Any:
        """The state of a session of which frame ``first_frame`` of the track is heard next."""

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        """For each ``(state, whole frames)`` the probability of voice per frame; states are advanced in place."""


class EnergyVoiceActivity:
    """Sound is voice: for tests, where tones stand for words."""

    THRESHOLD = 100.0  # root mean square of s16; the noise of a telephone line is below

    def open(self, first_frame: int = 0) -> Any:
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


_Memory = npt.NDArray[np.float32]


class _State:
    """Of one session: what the network remembers, and the end of the frame before."""

    __slots__ = ("context", "frame", "memory", "successor")

    def __init__(self, first_frame: int) -> None:
        self.context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self.memory = _fresh()
        self.successor: _Memory | None = None  # listens along, see ``asr.renewal``
        self.frame = first_frame
        self._renew()

    @property
    def frames_alike(self) -> int:
        """So many frames come before the next change."""
        return ALONG_FRAMES - self.frame % ALONG_FRAMES

    def went_on(self, frames: int) -> None:
        self.frame += frames
        self._renew()

    def _renew(self) -> None:
        if self.frame % RENEW_FRAMES == 0:
            self.successor = _fresh()
        elif self.frame % RENEW_FRAMES == ALONG_FRAMES and self.successor is not None:
            self.memory, self.successor = self.successor, None


def _fresh() -> _Memory:
    return np.zeros((2, STATE_WIDTH), np.float32)  # hidden, cell


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

    def open(self, first_frame: int = 0) -> Any:
        return _State(first_frame)

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        told: list[list[float]] = [[] for _ in batch]
        rest = [(i, state, samples) for i, (state, samples) in enumerate(batch) if len(samples) >= FRAME_SAMPLES]
        while rest:
            # Of each up to where its memory is renewed.
            limits = [state.frames_alike * FRAME_SAMPLES for _, state, _ in rest]
            pieces = [samples[:limit] for (_, _, samples), limit in zip(rest, limits, strict=True)]
            heard = self._listen([state for _, state, _ in rest], pieces)
            for (i, _, _), probabilities in zip(rest, heard, strict=True):
                told[i] += probabilities
            rest = [
                (i, state, samples[limit:])
                for (i, state, samples), limit in zip(rest, limits, strict=True)
                if len(samples) - limit >= FRAME_SAMPLES
            ]
        return told

    def _listen(self, states: list[_State], sounds: list[Samples]) -> list[list[float]]:
        counts = [len(sound) // FRAME_SAMPLES for sound in sounds]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        gates = self._network.features(_with_context(states, sounds, starts))
        # Every memory is a row, also one that only listens along: what that says is not told.
        rows = [(i, state.memory) for i, state in enumerate(states)]
        rows += [(i, state.successor) for i, state in enumerate(states) if state.successor is not None]
        # The longest first: whoever still has frames is then always at the beginning.
        rows.sort(key=lambda row: -counts[row[0]])
        owners = [i for i, _ in rows]
        lengths, firsts = np.array(counts)[owners], starts[owners]
        memory = np.array([memory for _, memory in rows])
        hidden, cell = memory.transpose(1, 0, 2).copy()
        said = np.empty((len(rows), int(lengths[0])), np.float32)
        for at in range(int(lengths[0])):
            n = int(np.count_nonzero(lengths > at))
            said[:n, at] = self._network.advance(gates[firsts[:n] + at], hidden[:n], cell[:n])
        memory[:, 0], memory[:, 1] = hidden, cell
        told: list[list[float]] = [[] for _ in states]
        for (i, before), after, probabilities in zip(rows, memory, said, strict=True):
            if before is states[i].memory:
                told[i] = probabilities[: counts[i]].tolist()
                states[i].memory = after.copy()  # a view would keep all the others
            else:
                states[i].successor = after.copy()
        for state, count in zip(states, counts, strict=True):
            state.went_on(count)
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
