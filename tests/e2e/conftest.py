"""A real server, a real browser and a real voice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.browser import find_chromium
from tests.fakes.server_process import ServerProcess
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.wav import wav_of

RATE_HZ = 16_000
LEAD_S = 3.0  # the file begins to play when the microphone opens, before a connection stands
TAIL_S = 60.0  # silence after the words, longer than any test


@dataclass(frozen=True)
class Spoken:
    """A WAV file to be spoken into the microphone, and its words."""

    path: Path
    text: str


def speak(path: Path, turns: int) -> Spoken:
    """The first turns of the sample."""
    sample = spoken_sample()
    said = sample.turns[:turns]
    until = round((said[-1][1] + 0.3) * RATE_HZ)
    parts = [
        np.zeros(round(LEAD_S * RATE_HZ), np.int16),
        sample.samples[:until],
        np.zeros(round(TAIL_S * RATE_HZ), np.int16),
    ]
    path.write_bytes(wav_of(np.concatenate(parts).tobytes()))
    return Spoken(path, " ".join(text for _, _, text in said))


@pytest.fixture(scope="session")
def chromium() -> str:
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium here; EARSHOT_CHROMIUM may name one")
    return found


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """Two turns, eight seconds."""
    return speak(tmp_path_factory.mktemp("voice") / "voice.wav", 2)


@pytest.fixture(scope="session")
def long_voice(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """All six turns, 26 seconds."""
    return speak(tmp_path_factory.mktemp("voice") / "long_voice.wav", 6)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server with the recogniser that every installation has."""
    async with ServerProcess(tmp_path / "data", engine="embedded-en") as process:
        yield process
