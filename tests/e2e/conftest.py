"""A real server, a real browser and a real voice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.browser import find_chromium
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ADDRESS, START_DEADLINE_S, STOP_DEADLINE_S
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.wav import wav_of

RATE_HZ = 16_000
LEAD_S = 6.0  # the file begins to play when the microphone opens, before a connection stands
TAIL_S = 60.0  # silence after the words, longer than any test
# Two words each, then as long a silence as ends an utterance. Their tones change from word to word: a tone that goes on
# is noise to a browser, which takes it out.
TONES = (
    "good morning",
    "alpha yellow",
    "river one",
    "stone kilo",
    "papa window",
    "table zulu",
    "november garden",
    "silver never",
)
TONES_EVERY_S = 1.4


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
def tones(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """Eight pairs of words, eleven seconds, for the scripted engine: where words must come, but not a recogniser's."""
    words = [word for n, pair in enumerate(TONES) for word in sentence(pair, LEAD_S + n * TONES_EVERY_S)]
    path = tmp_path_factory.mktemp("voice") / "tones.wav"
    path.write_bytes(wav_of(scripted_sound(words, length_s=words[-1][1] + TAIL_S)))
    return Spoken(path, " ".join(TONES))


@dataclass(frozen=True)
class Served:
    """Where the server is that tests share when they do not hurt it."""

    url: str


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the recogniser that every installation has. Holds what other tests recorded, too."""
    folder = tmp_path_factory.mktemp("server")
    env = {name: value for name, value in os.environ.items() if not name.startswith("EARSHOT_")}
    options = {
        "DATA_DIR": str(folder / "data"),
        "ENGINE": "embedded-en",
        "PORT": "0",
        "ENGINE_WORKERS": "1",
        "ADMISSION_BUSY_MAX": "0",
        "DISK_RESERVE_MB": "0",
    }
    output, log = folder / "output", folder / "log"
    with output.open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve"],
            env=env | {f"EARSHOT_{name}": value for name, value in options.items()},
            stdout=out,
            stderr=err,
        )
    try:
        deadline_s = time.monotonic() + START_DEADLINE_S
        while (found := ADDRESS.search(output.read_text())) is None:
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline_s, log.read_text()[-4000:]
            time.sleep(0.05)
        yield Served(found[0])
    finally:
        process.terminate()
        process.wait(STOP_DEADLINE_S)
