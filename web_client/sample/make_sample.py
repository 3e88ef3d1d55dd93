"""Makes the spoken sample: two synthetic voices of Debian's ``flite`` read the turns below.

    python web_client/sample/make_sample.py        (needs `apt install flite` and the project's environment)

Writes ``conversation.flac`` (16 kHz mono) and ``conversation.json`` (who says what when) beside this file. Text, voices
and recipe are ours; so the sample may be shipped, and tests have speech whose words are known.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np

RATE_HZ = 16_000
PAUSE_S = 0.9
VOICES = {"Anna": "slt", "Ben": "rms"}
# The embedded recogniser must hear every word wherever in its 10 ms frames the sound happens to begin, coded or not; a
# visitor's first impression hangs on it. At the voice's own pace "good morning" is "the gardening" to it now and then.
STRETCH = {"good morning everyone and thank you for coming to the meeting": 1.1}
TURNS = [
    ("Anna", "good morning everyone and thank you for coming to the meeting"),
    ("Ben", "good morning i would like to talk about the new water system in the city"),
    ("Anna", "how many people will use it in the first year"),
    ("Ben", "we think about twenty thousand people and most of them live near the river"),
    ("Anna", "that is very good news and we would like to see the plan this week"),
    ("Ben", "we can start next month if everyone is ready"),
]


def speak(text: str, voice: str) -> np.ndarray:
    """The text as 16 kHz mono int16, silence at both ends cut."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as out:
        pace = f"duration_stretch={STRETCH.get(text, 1.0)}"
        subprocess.run(
            ["flite", "-voice", voice, "--setf", pace, "-t", text, "-o", out.name],  # noqa: S607 - found on PATH, wherever the system keeps it
            check=True,
        )
        with av.open(out.name, format="wav") as wav:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            frames = [f for frame in wav.decode(audio=0) for f in resampler.resample(frame)] + resampler.resample(None)
    samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
    return samples[max(0, loud[0] - 800) : loud[-1] + 800]


def main() -> None:
    here = Path(__file__).parent
    pause = np.zeros(int(PAUSE_S * RATE_HZ), np.int16)
    pieces, turns, at = [pause], [], len(pause)
    for speaker, text in TURNS:
        spoken = speak(text, VOICES[speaker])
        turns.append(
            {
                "speaker": speaker,
                "voice": VOICES[speaker],
                "start_s": round(at / RATE_HZ, 3),
                "end_s": round((at + len(spoken)) / RATE_HZ, 3),
                "text": text,
            }
        )
        pieces += [spoken, pause]
        at += len(spoken) + len(pause)
    samples = np.concatenate(pieces)
    with av.open(str(here / "conversation.flac"), "w", format="flac") as flac:
        stream = flac.add_stream("flac", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        flac.mux(stream.encode(frame))
        flac.mux(stream.encode(None))
    about = {"duration_s": round(len(samples) / RATE_HZ, 3), "turns": turns}
    (here / "conversation.json").write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
