"""Hypotheses that a real recogniser made of our own spoken sample, heard again and again as it grew.

``hypotheses/conversation.json`` holds them; ``python -m tests.asr.recorded`` makes it anew (two minutes). Each turn of
the sample is heard clean and in noise, from 0.3 s before it begins to 0.5, 1.0, 1.5 ... s later, by pocketsphinx, which
hears each of these beginnings as a whole: so words are revised as a re-decoding engine revises them.

When the sample is spoken anew, this is to be made anew as well, and the differences that test_agreement_oracle.py names
looked for again.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from asr.contract import Samples
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Word
from tests.fakes.spoken_sample import spoken_sample

PATH = Path(__file__).parent / "hypotheses" / "conversation.json"
_FRAME_SAMPLES = SAMPLE_RATE_HZ // 100
_GROWS_SAMPLES = SAMPLE_RATE_HZ // 2
_LEAD_S, _TAIL_S = 0.3, 0.4

Hypotheses = tuple[tuple[Word, ...], ...]


@functools.cache
def recorded() -> dict[str, Hypotheses]:
    """By the name of the utterance, what was heard in it at each hearing; times are samples since it began."""
    told = json.loads(PATH.read_text())
    return {name: tuple(_words(heard) for heard in hypotheses) for name, hypotheses in told.items()}


def _words(heard: str) -> tuple[Word, ...]:
    """From ``good:36-58 morning:58-90``: word, first frame of 10 ms, and the one behind the last."""
    words = []
    for item in heard.split():
        text, _, frames = item.rpartition(":")
        start, end = (int(frame) * _FRAME_SAMPLES for frame in frames.split("-"))
        words.append(Word(text=text, start_samples=start, end_samples=end))
    return tuple(words)


def record() -> dict[str, list[str]]:
    """What ``recorded`` reads, heard anew."""
    sample = spoken_sample()
    noise = np.random.default_rng(7).normal(0.0, 350.0, len(sample.samples))
    noisy = np.clip(sample.samples + noise, -32768, 32767).astype(np.int16)
    utterances = {}
    for kind, sound in (("clean", sample.samples), ("noisy", noisy)):
        for number, (start_s, end_s, _) in enumerate(sample.turns, 1):
            first, last = (round(s * SAMPLE_RATE_HZ) for s in (start_s - _LEAD_S, end_s + _TAIL_S))
            utterances[f"{kind}-{number}"] = _hear_as_it_grows(sound[first:last])
    return utterances


def _hear_as_it_grows(sound: Samples) -> list[str]:
    ends = [*range(_GROWS_SAMPLES, len(sound), _GROWS_SAMPLES), len(sound)]
    return [_hear(sound[:end]) for end in ends]


def _hear(sound: Samples) -> str:
    decoder = _decoder()
    decoder.reinit_feat()  # what it learnt of the sound before must not matter
    decoder.start_utt()
    decoder.process_raw(sound.tobytes(), full_utt=True)
    decoder.end_utt()
    words = decoder.seg() if decoder.hyp() else ()
    return " ".join(
        f"{word.word.partition('(')[0]}:{word.start_frame}-{word.end_frame + 1}"
        for word in words
        if not word.word.startswith(("<", "["))
    )


@functools.cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL", maxhmmpf=3000)


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(record(), indent=1) + "\n")
