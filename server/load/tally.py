"""What is counted while a load runs. Bounded: times are counted by whole milliseconds, codes have a most."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from server.load.words import Loss

MS_MAX = 600_000
LOSSY_MAX = 20
CODES_MAX = 100


class Times:
    """A distribution, in milliseconds. Below zero counts as zero."""

    def __init__(self) -> None:
        self.count = 0
        self.max_ms = 0.0
        self._by_ms: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        ms = max(seconds * 1000, 0.0)
        self.count += 1
        self.max_ms = max(self.max_ms, ms)
        self._by_ms[min(round(ms), MS_MAX)] += 1

    def percentile(self, percent: float) -> float:
        """The least time that so many do not exceed (nearest rank); not a number when there is none."""
        rank = math.ceil(self.count * percent / 100)
        for ms in sorted(self._by_ms):
            rank -= self._by_ms[ms]
            if rank <= 0:
                return float(ms)
        return math.nan

    def figures(self) -> dict[str, float]:
        if not self.count:
            return {"count": 0}
        told = {f"p{percent}": self.percentile(percent) for percent in (50, 95, 99)}
        return {"count": self.count, **told, "max": round(self.max_ms, 1)}


class Codes:
    """How often each code was met."""

    def __init__(self) -> None:
        self.by_code: Counter[str] = Counter()

    def add(self, code: str) -> None:
        known = code in self.by_code or len(self.by_code) < CODES_MAX
        self.by_code[code[:40] if known else "OTHERS"] += 1

    @property
    def total(self) -> int:
        return self.by_code.total()


@dataclass
class Tally:
    """One run's counts. Times are in milliseconds when told."""

    # The sessions.
    asked: int = 0
    let_in: int = 0
    speaking: int = 0
    finished: int = 0
    broken: int = 0  # let in, and given up
    without_place: int = 0  # never let in
    unanswered: int = 0  # of these, those that were not refused either
    reconnects: int = 0
    sent_s: float = 0.0
    # Latency.
    begin: Times = field(
        default_factory=Times
    )  # wanted to begin -> let in, its transcript made and refusals waited for
    interim: Times = field(default_factory=Times)  # the newest word's sound due -> told
    final: Times = field(default_factory=Times)  # the last word's sound due -> told as final
    listened: Times = field(default_factory=Times)  # the same, as listeners got it
    lag: Times = field(default_factory=Times)  # as the server tells it
    frames_late: Times = field(default_factory=Times)  # frames sent -> after their time
    own_late: Times = field(default_factory=Times)  # how late this process itself woke
    # Loss.
    words: Loss = field(default_factory=Loss)
    sound_missing_s: float = 0.0
    unread: int = 0  # transcripts whose words could not be had
    lossy: list[str] = field(default_factory=list)  # the first transcripts of sessions with a loss
    # Refusals and errors, by code.
    refused: Codes = field(default_factory=Codes)
    errors: Codes = field(default_factory=Codes)
    waited_s: float = 0.0  # because a refusal asked for it
    # Listeners.
    listeners: int = 0
    listener_reconnects: int = 0
    events: int = 0
    events_missing: int = 0
    events_doubled: int = 0
    events_misplaced: int = 0
    # Uploads.
    uploads: int = 0
    uploads_done: int = 0
    uploads_failed: int = 0
    uploads_refused: int = 0
    upload: Times = field(default_factory=Times)
    upload_words: Loss = field(default_factory=Loss)
    # Transcripts that stayed, though they should not have.
    left: int = 0

    @property
    def lost(self) -> list[str]:
        """What was lost, in words; empty: nothing."""
        words, files = self.words, self.upload_words
        counts = {
            "words missing": words.missing + files.missing,
            "words added": words.added + files.added,
            "words changed": words.changed + files.changed,
            "events missing": self.events_missing,
            "events doubled": self.events_doubled,
            "events out of order": self.events_misplaced,
            "transcripts that could not be read": self.unread,
            "sessions that could not begin": self.unanswered,
            "uploads failed": self.uploads_failed,
        }
        found = [f"{count} {what}" for what, count in counts.items() if count]
        return found + ([f"{self.sound_missing_s:.1f} s of sound missing"] if self.sound_missing_s else [])
