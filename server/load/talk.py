"""One live session of a load, whatever carries it: its clock, what it is told, and how long that took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from server.load.sound import LoadSound
from server.load.tally import Tally

Message = Mapping[str, Any]
WORD_STEP_S = 0.05
"""A word that is told anew may end so much later, and is no new one."""


class Heard:
    """How late a transcript's words came, to one who is told of it. ``clock`` as in ``Talk``."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._through_s = 0.0  # the end of the newest word that was told
        self._finals: set[str] = set()

    def take(self, data: Mapping[str, Any]) -> tuple[float | None, float | None]:
        """Seconds since the newest word was spoken, if this segment brings one; and the same of a new final."""
        if not data.get("text"):
            return None, None
        words = data.get("words")
        end_s = float(words[-1]["end"] if words else data["end"])
        since_s = self._talk.since(end_s)
        newest = since_s if end_s > self._through_s + WORD_STEP_S else None
        self._through_s = max(self._through_s, end_s)
        final = None
        if data.get("is_final") and data["segment_id"] not in self._finals:
            self._finals.add(data["segment_id"])
            final = since_s
        return newest, final


class Talk:
    """``rounds`` of the sound, from ``began_s`` on: the moment, by ``time.monotonic``, of its sample 0.

    ``ends_s`` is that clock's time of its end, had it begun when it should: who is let in late says fewer rounds.
    """

    kind = ""

    def __init__(
        self, number: int, transcript_id: str, sound: LoadSound, rounds: int, tally: Tally, ends_s: float
    ) -> None:
        self.number = number
        self.transcript_id = transcript_id
        self.sound = sound
        self.rounds = rounds
        self.tally = tally
        self.began_s: float | None = None
        self.sent_samples = 0
        self.over = asyncio.Event()
        self.failure = ""
        self._ends_s = ends_s
        self._begins_s = ends_s - rounds * sound.round_s
        self._stopping = asyncio.Event()
        self.was_refused = False
        self._heard = Heard(self)

    @property
    def latest_s(self) -> float:
        """Whoever is not let in by then has no time for anything."""
        return self._ends_s - self.sound.round_s / 2

    @property
    def total_samples(self) -> int:
        return self.rounds * self.sound.round_samples

    @property
    def whole_rounds(self) -> int:
        """How many were sent to their end, as the pause after the last word."""
        if self.sent_samples >= self.total_samples:
            return self.rounds
        return self.sent_samples // self.sound.round_samples

    def stop(self) -> None:
        """Say no more; what was said is still understood. Idempotent."""
        self._stopping.set()

    def began(self) -> None:
        """It was let in. Late ones say as many rounds as there is time for."""
        if self.began_s is not None:
            self.tally.reconnects += 1
            return
        now_s = self.began_s = time.monotonic()
        self.rounds = min(self.rounds, max(1, round((self._ends_s - now_s) / self.sound.round_s)))
        self.tally.let_in += 1
        self.tally.begin.add(now_s - self._begins_s)
        self.tally.speaking += 1

    def since(self, track_s: float) -> float:
        """Seconds from when this moment of the sound was due to be sent."""
        return time.monotonic() - (self.began_s or 0.0) - track_s

    def take(self, message: Message) -> None:
        """A message of the server."""
        if message.get("type") != "transcription" or self.began_s is None:
            return
        data = message["data"]
        newest, final = self._heard.take(data)
        if newest is not None:
            self.tally.interim.add(newest)
        if final is not None:
            self.tally.final.add(final)
        if "lag_ms" in data:
            self.tally.lag.add(float(data["lag_ms"]) / 1000)

    def take_error(self, data: Mapping[str, Any]) -> None:
        """An error that the server told, or what stands for one."""
        code = str(data.get("code") or "UNKNOWN")
        wait_s = (data.get("details") or {}).get("retry_after_s")
        if self.began_s is None and isinstance(wait_s, int | float):
            self.was_refused = True
            self.tally.refused.add(code)
            self.tally.waited_s += wait_s
        else:
            self.tally.errors.add(code)

    async def due(self, samples: int) -> None:
        """Wait until the sound up to here is spoken, as a microphone gives it; then it counts as sent."""
        assert self.began_s is not None
        due_s = self.began_s + samples / SAMPLE_RATE_HZ
        now_s = time.monotonic()
        if now_s < due_s:
            await asyncio.sleep(due_s - now_s)
        self.tally.frames_late.add(time.monotonic() - due_s)

    def sent(self, samples: int) -> None:
        self.tally.sent_s += (samples - self.sent_samples) / SAMPLE_RATE_HZ
        self.sent_samples = samples

    def ended(self, failure: str = "") -> None:
        """Idempotent."""
        if self.over.is_set():
            return
        self.over.set()
        self.failure = failure
        if self.began_s is None:
            if not self._stopping.is_set():
                self.tally.without_place += 1
                self.tally.unanswered += not self.was_refused
            return
        self.tally.speaking -= 1
        if failure:
            self.tally.broken += 1
        else:
            self.tally.finished += 1
