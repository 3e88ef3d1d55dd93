"""The silero voice activity network (github.com/snakers4/silero-vad, MIT, 16 kHz, versions 5 and 6) in numpy.

The runtime that the network is made for convolves row by row; here the rows of all sessions go through a handful of
matrix products, which takes a fifth of its time at 32 sessions. The weights are those of the file.

    576 samples, 64 of them reflected at the end -> 4 spectra of 129 magnitudes -> convolutions over 3 spectra each:
    129 -> 128, to every second 128 -> 64, to every second 64 -> 64, 64 -> 128 -> LSTM of 128 -> one probability
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.onnx_weights import float_weights

CONTEXT_SAMPLES = 64
INPUT_SAMPLES = CONTEXT_SAMPLES + 512
STATE_WIDTH = 128
_BLOCK_ROWS = 64  # so many frames at once: their spectra stay in the cache
_BINS = 129

Array = npt.NDArray[np.float32]


class Silero:
    """``features`` of any frames at once, then ``advance`` frame by frame. Not for two threads: it reuses its arrays.

    Raises ``ValueError`` when the file does not hold the weights of this network.
    """

    def __init__(self, path: Path) -> None:
        found: dict[tuple[int, ...], list[Array]] = {}
        for tensor in float_weights(path):
            found.setdefault(tensor.shape, []).append(tensor)

        def take(*shape: int) -> Array:
            if not found.get(shape):
                raise ValueError(f"{path.name} has no weights of the shape {shape}")
            return found[shape].pop(0)

        self._basis = np.ascontiguousarray(take(2 * _BINS, 1, 256)[:, 0].T)
        self._conv = [
            _taps(take(128, _BINS, 3)),
            _taps(take(64, 128, 3)),
            _taps(take(64, 64, 3), slice(1, 3)),  # two spectra are left: the first tap is on nothing
            _taps(take(128, 64, 3), slice(1, 2)),  # one is left
        ]
        b128, b64 = [take(128), take(128)], [take(64), take(64)]
        self._bias = [b128[0], b64[0], b64[1], b128[1]]
        if (512, 128) in found:  # version 5 keeps torch's order of gates: input, forget, cell, output
            order = [0, 3, 1, 2]
            inputs, hidden = (_gates(take(512, 128), order) for _ in range(2))
            bias = _gates(take(512), order) + _gates(take(512), order)
        else:  # ONNX's own: input, output, forget, cell
            inputs, hidden = (take(1, 512, 128)[0] for _ in range(2))
            bias = take(1, 1024)[0].reshape(2, 512).sum(axis=0)
        self._inputs = np.ascontiguousarray(inputs.T)
        self._hidden = np.ascontiguousarray(hidden.T)
        self._gate_bias = bias
        self._out, self._out_bias = take(1, 128, 1)[0, :, 0].copy(), float(take(1)[0])
        # Work space; the borders of the two padded ones stay zero.
        self._sound = np.zeros((_BLOCK_ROWS, INPUT_SAMPLES + 64), np.float32)
        self._windows = np.empty((_BLOCK_ROWS, 4, 256), np.float32)
        self._spectra = np.empty((_BLOCK_ROWS * 4, 2 * _BINS), np.float32)
        self._magnitudes = np.zeros((_BLOCK_ROWS, 6, _BINS), np.float32)
        self._threes = np.empty((_BLOCK_ROWS, 4, 3 * _BINS), np.float32)
        self._first = np.zeros((_BLOCK_ROWS, 6, 128), np.float32)

    def features(self, frames: Array) -> Array:
        """What the frames (n, 576), -1..1, give to the gates of the LSTM: (n, 512)."""
        gates = np.empty((len(frames), 512), np.float32)
        for at in range(0, len(frames), _BLOCK_ROWS):
            block = frames[at : at + _BLOCK_ROWS]
            np.matmul(self._encoded(block), self._inputs, out=gates[at : at + len(block)])
        gates += self._gate_bias
        return gates

    def _encoded(self, frames: Array) -> Array:
        n = len(frames)
        sound, windows, spectra = self._sound[:n], self._windows[:n], self._spectra[: 4 * n]
        sound[:, :INPUT_SAMPLES] = frames
        sound[:, INPUT_SAMPLES:] = frames[:, -2:-66:-1]
        for i in range(4):
            windows[:, i] = sound[:, 128 * i : 128 * i + 256]
        np.matmul(windows.reshape(4 * n, 256), self._basis, out=spectra)
        np.square(spectra, out=spectra)
        power = spectra.reshape(n, 4, 2 * _BINS)
        magnitudes, threes, first = self._magnitudes[:n], self._threes[:n], self._first[:n]
        np.add(power[:, :, :_BINS], power[:, :, _BINS:], out=magnitudes[:, 1:5])
        np.sqrt(magnitudes, out=magnitudes)
        for i in range(4):
            threes[:, i] = magnitudes[:, i : i + 3].reshape(n, -1)
        first[:, 1:5] = _relu(threes.reshape(4 * n, -1) @ self._conv[0], self._bias[0]).reshape(n, 4, 128)
        pairs = np.stack([first[:, 0:3], first[:, 2:5]], axis=1).reshape(2 * n, 384)
        second = _relu(pairs @ self._conv[1], self._bias[1]).reshape(n, 128)
        third = _relu(second @ self._conv[2], self._bias[2])
        return _relu(third @ self._conv[3], self._bias[3])

    def advance(self, gates: Array, hidden: Array, cell: Array) -> Array:
        """One frame of each row: its ``features``, and its (n, 128) state, changed in place. The probabilities (n,)."""
        gates = gates + hidden @ self._hidden
        opened = _sigmoid(gates[:, :384])
        cell *= opened[:, 256:]
        cell += opened[:, :128] * np.tanh(gates[:, 384:])
        np.multiply(opened[:, 128:256], np.tanh(cell), out=hidden)
        return _sigmoid(np.maximum(hidden, 0.0) @ self._out + self._out_bias)


def _taps(weights: Array, which: slice = slice(None)) -> Array:
    """A convolution's weights (out, in, 3) as a matrix for spectra that lie one behind the other: (taps * in, out)."""
    return np.ascontiguousarray(weights[:, :, which].transpose(2, 1, 0).reshape(-1, len(weights)))


def _gates(weights: Array, order: list[int]) -> Array:
    return np.concatenate([weights.reshape(4, 128, *weights.shape[1:])[i] for i in order])


def _relu(values: Array, bias: Array) -> Array:
    values += bias
    return np.maximum(values, 0.0, out=values)


def _sigmoid(values: Array) -> Array:
    halved: Array = np.tanh(values * np.float32(0.5))
    halved += np.float32(1.0)
    halved *= np.float32(0.5)
    return halved
