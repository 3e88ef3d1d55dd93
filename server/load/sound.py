"""What every session says: one round of sound, said again and again, with a pause at its end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from protocol.blocks import BYTES_PER_SAMPLE, MS_SAMPLES, SAMPLE_RATE_HZ
from server.commands.failure import USAGE, CommandFailed
from server.commands.sound_given import Wanted, pcm_pieces
from server.load.words import in_text

SAMPLE = Path(__file__).resolve().parents[2] / "web_client" / "sample" / "conversation.flac"
FRAME_SAMPLES = 20 * MS_SAMPLES
PAUSE_SAMPLES = 3 * SAMPLE_RATE_HZ // 2
"""Long enough for a final to be made of what was said before it, so that no sentence reaches into the next round."""
ROUND_MAX_SAMPLES = 3600 * SAMPLE_RATE_HZ  # 115 MB


@dataclass(frozen=True)
class LoadSound:
    """``pcm``: 16 kHz mono s16 in whole frames of 20 ms, the pause with it.

    ``text``: its words, where somebody wrote them down; those of a whole round. ``is_cut``: the recording is longer.
    """

    name: str
    pcm: bytes
    text: tuple[str, ...] = ()
    is_cut: bool = False

    @property
    def round_samples(self) -> int:
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def round_s(self) -> float:
        return self.round_samples / SAMPLE_RATE_HZ

    def rounds_in(self, seconds: float) -> int:
        """How many whole rounds come nearest to it: one at least."""
        return max(1, round(seconds / self.round_s))

    def piece(self, start_samples: int, count: int) -> bytes:
        """From anywhere on, through as many rounds as it takes."""
        at = start_samples % self.round_samples * BYTES_PER_SAMPLE
        size = count * BYTES_PER_SAMPLE
        found = self.pcm[at : at + size]
        while len(found) < size:
            found += self.pcm[: size - len(found)]
        return found


def load_sound(path: Path | None, words: Path | None, duration_s: float) -> LoadSound:
    """The file's sound, or that of the sample; of a longer one as much as fits ``duration_s``. Blocking.

    Raises ``AudioFormatError``, and ``CommandFailed`` where it is silent or its ``words`` cannot be those of a part.
    """
    source = path or SAMPLE
    most = min(ROUND_MAX_SAMPLES, max(int(duration_s * SAMPLE_RATE_HZ), 2 * PAUSE_SAMPLES)) - PAUSE_SAMPLES
    wanted = Wanted(str(source), None, None, None, source.name, None, None, print_finals=False)
    pcm = bytearray()
    for piece in pcm_pieces(wanted):
        pcm += piece
        if len(pcm) > most * BYTES_PER_SAMPLE:
            break
    is_cut = len(pcm) > most * BYTES_PER_SAMPLE
    del pcm[most * BYTES_PER_SAMPLE :]
    if not any(pcm):
        raise CommandFailed(f"There is no sound in {source}.", USAGE)
    if is_cut and words is not None:
        raise CommandFailed("--words are those of the whole sound: --duration must be as long.", USAGE)
    samples = len(pcm) // BYTES_PER_SAMPLE + PAUSE_SAMPLES
    pcm += bytes((samples + -samples % FRAME_SAMPLES) * BYTES_PER_SAMPLE - len(pcm))
    if words is not None:
        text = in_text(words.read_text(encoding="utf-8", errors="replace"))
        if not text:
            raise CommandFailed(f"There are no words in {words}.", USAGE)
    else:
        text = _sample_text() if path is None and not is_cut else ()
    return LoadSound(source.name, bytes(pcm), text, is_cut)


def _sample_text() -> tuple[str, ...]:
    told = json.loads(SAMPLE.with_suffix(".json").read_text())
    return tuple(word for turn in told["turns"] for word in in_text(turn["text"]))
