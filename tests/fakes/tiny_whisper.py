"""The smallest Whisper model of the real file layout: English only, random weights, a vocabulary of bytes."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.random_whisper import build_random_whisper


def build_tiny_whisper(folder: Path, seed: int = 1) -> Path:
    """Write the model into ``folder`` (made here) and return it."""
    return build_random_whisper(folder, "micro", seed=seed)
