"""Where voices change is looked for beside everything else, when no word and no window is due.

For live sessions no more than ``SHARE_MAX`` of the time goes into it, by a rest after each look. Within that a final
that comes alone may wait for one look, where there was no time in the pause before it; what is not looked at by then is
left out. Files wait for theirs, which costs them little.

A network that fails costs the changes of all, what else fails those of one session, and neither costs voices or words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from asr.aside import Aside
from asr.encoder_loading import EncoderLoading
from asr.listening import ListeningSession
from asr.speakers.segmentation import Segmentation, Span, SpeakerSegmentation, decoded
from asr.track_voices import TrackVoices
from asr.utterances import Utterance

log = structlog.get_logger(__name__)

SHARE_MAX = 0.1
Entry = tuple[ListeningSession, TrackVoices]


class ChangesLane:
    """Called by the loop's thread alone. ``working`` is told whose sound is heard next, and of nobody's when it was.

    ``loading`` None: voices cannot be told apart here. ``looked``: is told of each look, after it.
    """

    def __init__(
        self,
        loading: EncoderLoading | None,
        clock: Callable[[], float],
        working: Callable[[Sequence[ListeningSession]], None],
        aside: Aside,
        looked: Callable[[ListeningSession], None],
    ) -> None:
        self._loading = loading
        self._clock = clock
        self._working = working
        self._aside = aside
        self._looked = looked
        self._due: dict[str, Entry] = {}  # live sessions of which something is to be looked at
        self._rests_until_s = 0.0
        self._failure = ""  # of the network
        self._failed: set[str] = set()  # sessions, in whose sound nothing is looked for any more
        self._looks = 0
        self._seconds = 0.0
        self._left_out = 0

    def figures(self) -> dict[str, int | float | str]:
        """For the pong."""
        loading = self._loading
        return {
            "no_segmentation": self._failure or (loading.no_segmentation if loading is not None else ""),
            "segmentations": self._looks,
            "segmentation_ms": round(1000 * self._seconds, 1),
            "segmentations_left_out": self._left_out,
        }

    def note(self, session: ListeningSession, voices: TrackVoices) -> None:
        """More was listened to. Nothing is noted where there is no network."""
        if not self._is_looked_at(session) or session.options.lane != "live":
            return
        if voices.chunk_due(session) is not None:
            self._due[session.session_id] = session, voices
        else:
            self._due.pop(session.session_id, None)

    def forget(self, session_id: str) -> None:
        self._due.pop(session_id, None)
        self._failed.discard(session_id)

    def next_due_s(self) -> float | None:
        return self._rests_until_s if self._due else None

    def turn(self, files: Iterable[Entry]) -> bool:
        """Look at one stretch of sound, of a live session beside the words, or of ``files``. False: none is due now."""
        if self._due and self._clock() >= self._rests_until_s:
            session, voices = self._due.pop(next(iter(self._due)))
            if (due := self._due_of(session, voices)) is not None:
                self._look_beside(session, voices, due)
                return True
        return any(self._look(session, voices) for session, voices in files)

    def look_now(self, session: ListeningSession, voices: TrackVoices) -> None:
        """At what is due of a live session, unless it is time to rest."""
        if self._clock() >= self._rests_until_s and self._due_of(session, voices) is not None:
            self._aside.wait()
            began_s = self._clock()
            if began_s >= self._rests_until_s and self._look(session, voices):
                self._rest(self._clock() - began_s)

    def _due_of(self, session: ListeningSession, voices: TrackVoices) -> tuple[int, Span] | None:
        return voices.chunk_due(session) if self._is_looked_at(session) else None

    def _look(self, session: ListeningSession, voices: TrackVoices) -> bool:
        due = self._due_of(session, voices)
        if due is None:
            return False
        began_s = self._clock()
        self._working([session])
        outcome: Any
        try:
            outcome = self._hearing(session, due[1])()
        except Exception as error:
            outcome = error
        self._working([])
        return self._took(session, voices, due, outcome, self._clock() - began_s)

    def _look_beside(self, session: ListeningSession, voices: TrackVoices, due: tuple[int, Span]) -> None:
        def then(outcome: Any, took_s: float) -> None:
            if self._took(session, voices, due, outcome, took_s):
                self._rest(took_s)

        self._aside.begin([session], self._hearing(session, due[1]), then, changes=True)

    def _hearing(self, session: ListeningSession, span: Span) -> Callable[[], Segmentation]:
        network, sound = self._network, session.sound(*span)
        assert network is not None
        return lambda: decoded(network.hear(sound), span[0])

    def _rest(self, looked_s: float) -> None:
        self._rests_until_s = self._clock() + looked_s * (1 / SHARE_MAX - 1)

    def _took(
        self, session: ListeningSession, voices: TrackVoices, due: tuple[int, Span], outcome: Any, took_s: float
    ) -> bool:
        """What came of a look; an ``Exception`` is the network's last one."""
        if isinstance(outcome, Exception):
            log.error("changes of voices are no longer looked for", error=type(outcome).__name__)
            self._failure, self._due = f"looking for changes of voices failed: {type(outcome).__name__}", {}
            return False
        try:
            voices.changes(*due, outcome)
        except Exception as error:
            log.error("changes of voices of a session are no longer looked for", error=type(error).__name__)
            self._failed.add(session.session_id)
            return False
        self._looks += 1
        self._seconds += took_s
        self._looked(session)
        return True

    def said(self, voices: TrackVoices, utterance: Utterance) -> None:
        """Its final is said next: count what was left out."""
        if self._network is not None and voices.left_out(utterance):
            self._left_out += 1

    def _is_looked_at(self, session: ListeningSession) -> bool:
        return self._network is not None and session.session_id not in self._failed

    @property
    def _network(self) -> SpeakerSegmentation | None:
        return None if self._failure or self._loading is None else self._loading.segmentation
