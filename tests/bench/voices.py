"""Sound for many sessions that speak at once: real speech, cut together so that its share of silence is known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from asr.utterances import FRAME_SAMPLES, ONSET
from asr.vad import SileroVoiceActivity
from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.drive import PIECE_SAMPLES, Talk
from tests.fakes.spoken_sample import read_sound, spoken_sample

SPEECH = ("speech/librispeech_test_other", "speech/longform")
NOISE = "speech/noise"
SOUNDS = (".wav", ".flac", ".mp3")
SPEECH_MAX_S = 240.0
STRETCH_LEAST_FRAMES = 8  # of voice in a row, 256 ms: shorter ones cut together would sound like nothing
TURN_S = (3.0, 5.0)  # of speech, and then as much of silence, where half of it is silence
HISS = 3.0  # amplitude of what is heard in silence, of 32767
VOICED_PIECE = 0.5  # of a piece's frames

Voiced = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Speech:
    """Speech without its pauses. ``recorded``: of real recordings, or else of the project's own sample."""

    samples: Samples
    recorded: bool

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def recordings(folder: str) -> list[Path]:
    """Of ``EARSHOT_TEST_DATA``; none without it."""
    root = os.environ.get("EARSHOT_TEST_DATA")
    if not root or not (Path(root) / folder).is_dir():
        return []
    return sorted(path for path in (Path(root) / folder).iterdir() if path.suffix in SOUNDS)


@cache
def speech() -> Speech:
    paths = [path for folder in SPEECH for path in recordings(folder)]
    sounds: Iterator[Samples] = (read_sound(path) for path in paths) if paths else iter([spoken_sample().samples])
    kept: list[Samples] = []
    total = 0
    for sound in sounds:
        kept += [sound[start:end] for start, end in stretches(voiced_frames(sound))]
        total = sum(len(piece) for piece in kept)
        if total > SPEECH_MAX_S * SAMPLE_RATE_HZ:
            break
    return Speech(np.concatenate(kept), bool(paths))


def voiced_frames(sound: Samples) -> Voiced:
    """Whether each whole frame holds voice, by the voice activity that the loop uses."""
    voice = _voice()
    whole = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES]
    [probabilities] = voice.listen([(voice.open(), whole)])
    return np.array(probabilities) >= ONSET


@cache
def _voice() -> SileroVoiceActivity:
    return SileroVoiceActivity()


def stretches(voiced: Voiced, least_frames: int = STRETCH_LEAST_FRAMES) -> list[tuple[int, int]]:
    """Where voice stays for so many frames, in samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], voiced, [False]]).astype(np.int8)))
    found = edges.reshape(-1, 2)
    return [(int(a) * FRAME_SAMPLES, int(b) * FRAME_SAMPLES) for a, b in found if b - a >= least_frames]


def voiced_pieces(sound: Samples) -> Voiced:
    """Whether each whole piece of 100 ms is mostly voice."""
    voiced = np.zeros(len(sound), bool)
    frames = voiced_frames(sound).repeat(FRAME_SAMPLES)
    voiced[: len(frames)] = frames
    pieces = voiced[: len(sound) // PIECE_SAMPLES * PIECE_SAMPLES].reshape(-1, PIECE_SAMPLES)
    return np.array(pieces.mean(axis=1) >= VOICED_PIECE)


@cache
def _pool(half: bool) -> Talk:
    sound = with_turns(speech().samples, seed=1) if half else speech().samples
    return Talk(sound, voiced_pieces(sound))


def talks(count: int, seconds: float, *, half: bool) -> list[Talk]:
    """Sessions that all say the same speech, each beginning at another place; ``half``: as much silence as speech."""
    pool = _pool(half)
    pieces = int(seconds * SAMPLE_RATE_HZ) // PIECE_SAMPLES
    golden = (5**0.5 - 1) / 2  # as far from each other as can be, for any count
    found = []
    for number in range(count):
        at = int(pool.pieces * (number * golden % 1.0))
        places = (at + np.arange(pieces)) % pool.pieces
        samples = pool.samples[: pool.pieces * PIECE_SAMPLES].reshape(-1, PIECE_SAMPLES)[places].reshape(-1)
        found.append(Talk(samples, pool.voiced[places]))
    return found


def with_turns(sound: Samples, seed: int) -> Samples:
    """The sound in turns of a few seconds, after each as much silence."""
    random = np.random.default_rng(seed)
    parts: list[Samples] = []
    at = 0
    while at < len(sound):
        length = int(random.uniform(*TURN_S) * SAMPLE_RATE_HZ)
        turn = sound[at : at + length]
        parts += [turn, hiss(len(turn), seed + at)]
        at += length
    return np.concatenate(parts)


def hiss(length: int, seed: int) -> Samples:
    """What a quiet room's microphone gives: no voice, and not nothing."""
    random = np.random.default_rng(seed)
    return np.rint(random.uniform(-HISS, HISS, length)).astype(np.int16)


@cache
def noise() -> Samples | None:
    """Recorded noise; None without recordings."""
    paths = recordings(NOISE)
    return np.concatenate([read_sound(path) for path in paths]) if paths else None
