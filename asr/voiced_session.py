"""A session whose voices are told apart, as the lane of voices sees it."""

from __future__ import annotations

from dataclasses import dataclass

from asr import wire
from asr.listening import ListeningSession
from asr.track_voices import TrackVoices


@dataclass(slots=True)
class VoicedSession:
    """``voices`` once the encoder is there."""

    session: ListeningSession
    opened: wire.Open
    voices: TrackVoices | None = None

    @property
    def due_s(self) -> float:
        """Since when the first of its windows is due."""
        assert self.voices is not None
        return self.voices.pending[0].due_s if self.voices.pending else float("inf")

    @property
    def owed_samples(self) -> int:
        """The end of the oldest utterance whose final is owed."""
        return next((owed.utterance.end_samples for owed in self.session.owed if owed.utterance is not None), 0)

    def count(self, end_samples: int | None) -> int:
        """Of its windows: all, or those before an end."""
        assert self.voices is not None
        return len(self.voices.pending) if end_samples is None else self.voices.due_before(end_samples)
