"""Voices are told apart beside the words: the sessions that want it, and the steps of the encoder over all of them.

Windows are embedded when no final and no interim is due, as many at once as the encoder says, and in a thread beside
the loop's (``asr.aside``): no word waits that comes due meanwhile, but for a final of theirs. What of an utterance was
not embedded when its final is due is made up for right then, but no more than ``FINAL_BATCHES`` times as many for all
finals of a step; the others are left out, and their words are whose those around are. Finals of files wait for their
windows, which cost them little; so does the very first final for the encoder to load.

Windows that held two voices, as is found out beside all that (``asr.changes_lane``), are embedded again, in parts; one
batch of them is made up for at a final, too.

Whatever fails here costs a session its voices, or all of them theirs, and never a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel

from asr import wire
from asr.aside import LOOK_S, Aside
from asr.changes_lane import ChangesLane
from asr.encoder_loading import EncoderLoading
from asr.listening import ListeningSession
from asr.speakers.contract import Embeddings
from asr.speakers.segmentation import Span
from asr.track_voices import TrackVoices
from asr.utterances import Utterance
from asr.voice_encoding import VoiceEncoding, Window
from asr.voiced_session import VoicedSession
from protocol.words import Word

log = structlog.get_logger(__name__)

T = TypeVar("T")

FINAL_BATCHES = 2  # what a step of finals may be later by: of these windows 40 ms; each of 6.4 s, a third of 20 s
GATHER_S = 0.1  # a window waits so long for others: eight cost as much as four single ones
FAILED_SESSIONS_MAX = 3  # of different sessions in a row: then it is not the sound
FIRST_S = 0.5  # what the very first final waits for it: sound is not kept, and who spoke there would never be known
LOADING_S = 0.02  # what a file's final waits at once for the encoder, while nothing else is wanted


class VoicesLane:
    """Called by the loop's thread alone. ``loading`` None: voices cannot be told apart here."""

    def __init__(
        self,
        loading: EncoderLoading | None,
        tell: Callable[[BaseModel], None],
        clock: Callable[[], float],
        spent: Callable[[float, float], None],
    ) -> None:
        self._loading = loading
        self._tell = tell
        self._clock = clock
        self._sessions: dict[str, VoicedSession] = {}
        self._pending: dict[str, VoicedSession] = {}  # those with windows
        self._again: dict[str, VoicedSession] = {}  # those with parts of windows
        self._aside = Aside(tell, clock, spent, in_thread=loading is not None and loading.in_thread)
        self._encoding = VoiceEncoding(loading, tell, self._aside)
        self._changes = ChangesLane(
            loading, clock, partial(self._encoding.tell_working, changes=True), self._aside, self._looked
        )
        self._failed: set[str] = set()  # sessions, since the last step that went well
        self._is_loading = False
        self._has_waited = False  # for that
        self._failure = ""  # of all of it
        self._dropped = 0
        self._failures = 0

    def figures(self) -> dict[str, int | float | str]:
        """For the pong."""
        return {
            "voice_windows": self._encoding.windows,
            "voice_ms": round(1000 * self._encoding.seconds, 1),
            "voice_windows_dropped": self._dropped,
            "voice_failures": self._failures,
            "no_encoder": self._failure,
            **self._changes.figures(),
        }

    def open(self, opened: wire.Open, session: ListeningSession) -> None:
        if not opened.options.diarize or self._loading is None:
            return
        self._sessions[session.session_id] = VoicedSession(session, opened)
        if not self._loading.begun:
            self._is_loading = True
            self._tell(wire.EncoderLoading(over=False))
            self._loading.begin()
        self._note_loaded()

    def found(self, found: wire.FoundVoices) -> None:
        """Before the encoder is there nothing was heard here, and the session was opened with what is known."""
        one = self._sessions.get(found.session_id)
        if one is not None and one.voices is not None:
            voices = one.voices
            self._guarded(one, lambda _: voices.found(found))

    def close(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        self._pending.pop(session_id, None)
        self._again.pop(session_id, None)
        self._changes.forget(session_id)

    def listened(self, session: ListeningSession) -> None:
        """More was listened to: note what is due of it. To be called before its finals are said."""
        one = self._sessions.get(session.session_id)
        if one is not None and self._note_loaded():
            self._guarded(one, self._plan)

    def _plan(self, one: VoicedSession) -> None:
        assert self._loading is not None
        assert self._loading.encoder is not None
        if one.voices is None:
            one.voices = TrackVoices(self._loading.encoder.info, one.opened)
        one.voices.plan(one.session, self._clock())
        if one.voices.pending:
            self._pending[one.session.session_id] = one
        self._changes.note(one.session, one.voices)

    def _note_loaded(self) -> bool:
        """True when the encoder is there. When it turns out that it never will be, nobody waits for it any more."""
        loading = self._loading
        if loading is None or not loading.over:
            return False
        if self._is_loading:
            self._is_loading = False
            self._tell(wire.EncoderLoading(over=True))
        if loading.encoder is None:
            self._give_up_all(loading.failure)
        return loading.encoder is not None

    # Steps.

    def next_due_s(self) -> float | None:
        """When the windows of live sessions have waited for others long enough."""
        if self._aside.busy:
            return self._clock() + LOOK_S
        dues_s = [one.due_s + GATHER_S for one in self._live()]
        if (look_s := self._changes.next_due_s()) is not None:
            dues_s.append(look_s)
        return min(dues_s, default=None)

    def turn(self, files: Iterable[str]) -> bool:
        """Embed one batch, if one is due: of live sessions, or of ``files`` whose finals are next. False: none is.

        To be called when no final and no interim is due.
        """
        try:
            return self._turn(files)
        except Exception as error:
            self._give_up_all(type(error).__name__)
            return False

    def _turn(self, files: Iterable[str]) -> bool:
        if self._aside.busy and not files:
            return self._aside.look()
        self._aside.wait()
        now_s = self._clock()
        live = self._live()
        waiting = sum(len(one.voices.pending) for one in live if one.voices is not None)
        if live and (waiting >= self._encoding.batch_max or min(one.due_s for one in live) + GATHER_S <= now_s):
            self._embed_beside(sorted(live, key=lambda one: one.due_s), now_s)
            return True
        wanted = [self._sessions[name] for name in files if name in self._sessions]
        if self._is_loading and not self._note_loaded() and wanted:
            return self._wait_for_encoder()
        for one in wanted:
            if one.voices is None:
                self.listened(one.session)
        owing = [one for one in wanted if one.voices is not None and one.voices.due_before(one.owed_samples)]
        if owing:
            self._embed(owing, now_s)
        return bool(owing) or self._look(wanted)

    def _look(self, files: Sequence[VoicedSession]) -> bool:
        """At changes of voices; first what came of the last look."""
        if self._loading is None or self._loading.encoder is None:
            return False
        if self._again:
            _, one = self._again.popitem()
            if parts := self._parts(one):
                self._encoding.rows_beside(parts, partial(self._parts_embedded, one, parts))
            return True
        return self._changes.turn((one.session, one.voices) for one in files if one.voices is not None)

    def _looked(self, session: ListeningSession) -> None:
        one = self._sessions.get(session.session_id)  # it may be gone, or another one since
        if one is not None and one.session is session and one.voices is not None:
            self._note_again(one)
            self._changes.note(session, one.voices)

    def _note_again(self, one: VoicedSession) -> None:
        if one.voices is not None and one.voices.parts_due():
            self._again[one.session.session_id] = one

    def _embed_again(self, one: VoicedSession) -> None:
        began_s = self._clock()
        if parts := self._parts(one):
            rows = self._encoding.rows(parts)
            self._parts_embedded(one, parts, rows, self._clock() - began_s)

    def _parts(self, one: VoicedSession) -> list[Window]:
        """Those of windows that are embedded next, and their sound."""

        def parts(one: VoicedSession) -> list[Window]:
            assert one.voices is not None
            due = one.voices.parts_due()[: self._encoding.batch_max]
            sounds = [(part, one.voices.part_sound(part, one.session)) for part in due]
            return [Window(one, part, sound) for part, sound in sounds if sound is not None]

        return self._guarded(one, parts) or []

    def _parts_embedded(self, one: VoicedSession, parts: Sequence[Window], rows: Any, took_s: float) -> None:
        if isinstance(rows, Exception) and self._is_here(one):  # or it ended meanwhile
            self._give_up(one, rows)
        elif self._is_here(one):
            assert one.voices is not None
            for part, row in zip(parts, rows, strict=True):
                one.voices.part_embedded(part.window, row)
            self._note_again(one)
        self._encoding.ran(len(parts), 0.0, took_s)

    def _wait_for_encoder(self) -> bool:
        if self._loading is None:  # in vain
            return False
        self._loading.wait(LOADING_S)
        return True

    def catch_up(self, owed: Sequence[tuple[ListeningSession, Utterance]]) -> None:
        """Finals of these are said next: embed what is missing, within bounds."""
        try:
            self._catch_up(owed)
        except Exception as error:
            self._give_up_all(type(error).__name__)

    def _catch_up(self, owed: Sequence[tuple[ListeningSession, Utterance]]) -> None:
        if self._is_loading and not self._has_waited:
            self._wait_once([session for session, _ in owed if session.session_id in self._sessions])
        those = [(self._pending[s.session_id], u.end_samples) for s, u in owed if s.session_id in self._pending]
        if those or any(self._aside.has(session.session_id) for session, _ in owed):
            self._aside.wait()
        late = [(one, end) for one, end in those if one.voices is not None and one.voices.due_before(end)]
        for one, end_samples in late:
            assert one.voices is not None
            self._dropped += one.voices.thin(end_samples, max(1, FINAL_BATCHES * self._encoding.batch_max // len(late)))
        ends = {one.session.session_id: end_samples for one, end_samples in late}
        while late:
            self._embed([one for one, _ in late], self._clock(), ends)
            late = [(one, end) for one, end in late if self._is_late(one, end)]
        if len(owed) == 1 and (alone := self._sessions.get(owed[0][0].session_id)) is not None:
            self._look_late(alone)

    def _look_late(self, one: VoicedSession) -> None:
        """At a final that comes alone: at what there was no time for in the pause before it, within the same share."""
        if one.voices is not None:
            self._changes.look_now(one.session, one.voices)
            if self._again.pop(one.session.session_id, None) is not None:
                self._aside.wait()
                self._guarded(one, self._embed_again)

    def _wait_once(self, sessions: Sequence[ListeningSession]) -> None:
        """As sound comes the encoder is there before the first pause; not where it comes faster than it was spoken."""
        if sessions and self._loading is not None:
            self._has_waited = True
            self._loading.wait(FIRST_S)
            for session in sessions:
                self.listened(session)

    def _is_late(self, one: VoicedSession, end_samples: int) -> bool:
        return self._is_here(one) and one.voices is not None and one.voices.due_before(end_samples) > 0

    def _is_here(self, one: VoicedSession) -> bool:
        return self._sessions.get(one.session.session_id) is one

    def _live(self) -> list[VoicedSession]:
        return [one for one in self._pending.values() if one.session.options.lane == "live"]

    def _embed(self, those: Sequence[VoicedSession], now_s: float, ends: Mapping[str, int] | None = None) -> None:
        """One step of the encoder, one window of each in turn; no more than those before its end, if it has one."""
        waited_s, windows = self._next_windows(those, now_s, ends or {})
        if windows:
            self._run(windows)
        self._encoding.ran(len(windows), waited_s, self._clock() - now_s)

    def _embed_beside(self, those: Sequence[VoicedSession], now_s: float) -> None:
        waited_s, windows = self._next_windows(those, now_s, {})

        def then(rows: Any, took_s: float) -> None:
            if isinstance(rows, Exception):
                self._run_each_alone(windows)
            else:
                self._give(windows, rows)
            self._encoding.ran(len(windows), waited_s, took_s)

        if windows:
            self._encoding.rows_beside(windows, then)
        else:
            self._encoding.ran(0, waited_s, 0.0)

    def _next_windows(
        self, those: Sequence[VoicedSession], now_s: float, ends: Mapping[str, int]
    ) -> tuple[float, list[Window]]:
        """And how long the first of them waited."""
        waited_s = now_s - min(one.due_s for one in those)
        windows = self._taken(those, ends)
        for one in those:
            if one.voices is None or not one.voices.pending:
                self._pending.pop(one.session.session_id, None)
        return waited_s, windows

    def _taken(self, those: Sequence[VoicedSession], ends: Mapping[str, int]) -> list[Window]:
        windows: list[Window] = []

        def take(one: VoicedSession) -> None:
            assert one.voices is not None
            found = one.voices.next_sound(one.session)
            if found is None:
                self._dropped += 1
            else:
                windows.append(Window(one, *found))

        rounds = zip_longest(*([one] * one.count(ends.get(one.session.session_id)) for one in those))
        for one in [one for one in chain.from_iterable(rounds) if one is not None][: self._encoding.batch_max]:
            if one.session.session_id in self._sessions:
                self._guarded(one, take)
        return windows

    def _run(self, windows: Sequence[Window]) -> None:
        try:
            rows = self._encoding.rows(windows)
        except Exception:
            self._run_each_alone(windows)
        else:
            self._give(windows, rows)

    def _run_each_alone(self, windows: Sequence[Window]) -> None:
        for name in dict.fromkeys(window.one.session.session_id for window in windows):
            self._run_alone([window for window in windows if window.one.session.session_id == name])

    def _run_alone(self, windows: Sequence[Window]) -> None:
        """Once more the windows of one session, which they cost its voices if they fail again."""
        one = windows[0].one
        try:
            rows = self._encoding.rows(windows)
        except Exception as error:
            self._failed.add(one.session.session_id)
            self._give_up(one, error)
            if len(self._failed) >= FAILED_SESSIONS_MAX:
                self._give_up_all(f"the encoder of voices fails: {type(error).__name__}")
        else:
            self._give(windows, rows)

    def _give(self, windows: Sequence[Window], rows: Embeddings) -> None:
        self._failed.clear()
        for window, row in zip(windows, rows, strict=True):
            if self._is_here(window.one):

                def give(one: VoicedSession, window: Window = window, row: Embeddings = row) -> None:
                    assert one.voices is not None
                    one.voices.embedded(window.window, row)

                self._guarded(window.one, give)

    # What is told.

    def so_far(self, session: ListeningSession, words: Sequence[Word]) -> tuple[wire.Spoke, ...]:
        """Whose the words of an interim are, if it is known."""
        one = self._sessions.get(session.session_id)
        if one is None or one.voices is None or not words:
            return ()
        voices = one.voices
        return self._guarded(one, lambda _: voices.so_far(words)) or ()

    def said(
        self, session: ListeningSession, utterance: Utterance, words: Sequence[Word], tags: Sequence[int] = ()
    ) -> tuple[tuple[wire.Spoke, ...], tuple[Span, ...]]:
        """Whose the words of a final are, which is told next, and where two speak at once: its prints are told here.
        ``tags``: of a hypothesis."""
        one = self._sessions.get(session.session_id)
        if one is None or one.voices is None:
            return (), ()
        voices = one.voices
        self._guarded(one, lambda _: self._changes.said(voices, utterance))
        self._again.pop(session.session_id, None)
        overlaps: tuple[Span, ...] | None = self._guarded(one, lambda _: voices.overlaps(utterance))
        spoke: tuple[wire.Spoke, ...] | None = self._guarded(one, lambda _: voices.said(utterance, words, tags))
        prints = self._guarded(one, lambda _: voices.forget(utterance, had_words=bool(words)))
        if prints is not None:
            self._tell(prints)
        return spoke or (), overlaps or ()

    # Failing.

    def _guarded(self, one: VoicedSession, call: Callable[[VoicedSession], T]) -> T | None:
        try:
            return call(one)
        except Exception as error:
            self._give_up(one, error)
            return None

    def _give_up(self, one: VoicedSession, error: Exception) -> None:
        log.error("voices of a session are no longer told apart", error=type(error).__name__)
        self._failures += 1
        self.close(one.session.session_id)

    def _give_up_all(self, reason: str) -> None:
        log.error("voices are no longer told apart", sessions=len(self._sessions), reason=reason)
        self._failures += len(self._sessions)
        self._failure = reason
        self._loading = None
        for session_id in list(self._sessions):
            self.close(session_id)
