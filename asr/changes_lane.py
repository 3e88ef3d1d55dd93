"""Where voices change is looked for beside everything else, when no word and no window is due.

For live sessions no more than ``SHARE_MAX`` of the time goes into it, by a rest after each look. Within that a final
that comes alone may wait for one look, where there was no time in the pause before it; what is not looked at by then is
left out. Files wait for theirs, which costs them little.

What fails costs the changes of all, and neither voices nor words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from asr.encoder_loading import EncoderLoading
from asr.listening import ListeningSession
from asr.speakers.segmentation import SpeakerSegmentation, decoded
from asr.track_voices import TrackVoices
from asr.utterances import Utterance

log = structlog.get_logger(__name__)

SHARE_MAX = 0.1
Entry = tuple[ListeningSession, TrackVoices]


class ChangesLane:
    """Called by the loop's thread alone. ``begins`` is told whose sound is heard next, before it is."""

    def __init__(self, clock: Callable[[], float], begins: Callable[[ListeningSession], None]) -> None:
        self._clock = clock
        self._begins = begins
        self._due: dict[str, Entry] = {}  # live sessions of which something is to be looked at
        self._rests_until_s = 0.0
        self._has_failed = False
        self._looks = 0
        self._seconds = 0.0
        self._left_out = 0

    def figures(self) -> dict[str, int | float]:
        """For the pong."""
        return {
            "segmentations": self._looks,
            "segmentation_ms": round(1000 * self._seconds, 1),
            "segmentations_left_out": self._left_out,
        }

    def note(self, session: ListeningSession, voices: TrackVoices, loading: EncoderLoading) -> None:
        """More was listened to. Nothing is noted where there is no network."""
        if self._network(loading) is None or session.options.lane != "live":
            return
        if voices.chunk_due(session) is not None:
            self._due[session.session_id] = session, voices
        else:
            self._due.pop(session.session_id, None)

    def forget(self, session_id: str) -> None:
        self._due.pop(session_id, None)

    def next_due_s(self) -> float | None:
        return self._rests_until_s if self._due else None

    def turn(self, files: Iterable[Entry], loading: EncoderLoading) -> ListeningSession | None:
        """Look at one stretch of sound, of a live session or of ``files``: of whom it was. None: none is due now."""
        if self._due and self._clock() >= self._rests_until_s:
            session, voices = self._due.pop(next(iter(self._due)))
            if self.look_now(session, voices, loading):
                self.note(session, voices, loading)
                return session
        return next((session for session, voices in files if self._look(session, voices, loading)), None)

    def look_now(self, session: ListeningSession, voices: TrackVoices, loading: EncoderLoading) -> bool:
        """At what is due of a live session, unless it is time to rest."""
        began_s = self._clock()
        if began_s < self._rests_until_s or not self._look(session, voices, loading):
            return False
        done_s = self._clock()
        self._rests_until_s = done_s + (done_s - began_s) * (1 / SHARE_MAX - 1)
        return True

    def _look(self, session: ListeningSession, voices: TrackVoices, loading: EncoderLoading) -> bool:
        network, due = self._network(loading), voices.chunk_due(session)
        if network is None or due is None:
            return False
        utterance_samples, (start_samples, end_samples) = due
        began_s = self._clock()
        self._begins(session)
        try:
            found = decoded(network.hear(session.sound(start_samples, end_samples)), start_samples)
            voices.changes(utterance_samples, (start_samples, end_samples), found)
        except Exception as error:
            log.error("changes of voices are no longer looked for", error=type(error).__name__)
            self._has_failed, self._due = True, {}
            return False
        self._looks += 1
        self._seconds += self._clock() - began_s
        return True

    def said(self, voices: TrackVoices, utterance: Utterance, loading: EncoderLoading) -> None:
        """Its final is said next: count what was left out."""
        if self._network(loading) is not None and voices.left_out(utterance):
            self._left_out += 1

    def _network(self, loading: EncoderLoading) -> SpeakerSegmentation | None:
        return None if self._has_failed else loading.segmentation
