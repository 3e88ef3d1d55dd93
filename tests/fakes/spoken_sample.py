"""The spoken sample that the pages offer: two voices, known words."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from asr.contract import Samples

FOLDER = Path(__file__).parents[2] / "web_client" / "sample"


@dataclass(frozen=True)
class SpokenSample:
    """``turns`` are ``(start_s, end_s, text)``."""

    samples: Samples
    turns: tuple[tuple[float, float, str], ...]

    @property
    def text(self) -> str:
        return " ".join(text for _, _, text in self.turns)


@functools.cache
def spoken_sample() -> SpokenSample:
    told = json.loads((FOLDER / "conversation.json").read_text())
    turns = tuple((turn["start_s"], turn["end_s"], turn["text"]) for turn in told["turns"])
    return SpokenSample(read_sound(FOLDER / "conversation.flac"), turns)


def read_sound(path: Path) -> Samples:
    """Any recording as 16 kHz mono s16."""
    pieces = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", 16_000)
        for frame in container.decode(audio=0):
            pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
        pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(pieces).astype(np.int16)
