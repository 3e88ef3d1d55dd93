"""The inference loop: take in, listen, choose, run, commit, tell. One thread, no socket, no clock of its own.

Its owner gives it every message that came (``take``), lets it take turns while it says there is more to do (``turn``)
and sleeps no longer than ``next_due_s`` otherwise. What it has to say goes to ``tell``.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel

from asr import schedule, wire
from asr.attempts import Attempts, Work
from asr.contract import Step, StreamingEngine
from asr.guards import inside_voiced
from asr.listening import ListeningSession, Owed
from asr.schedule import Cadence, Wish
from asr.vad import VoiceActivity, levels
from asr.worker_settings import WorkerSettings
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Hypothesis, Word

FAILED_INTERIM_S = 3.0  # until an utterance whose interim failed is tried again
NEW_SOUND_SAMPLES = 100 * MS_SAMPLES  # an interim is worth a step only with so much new sound


class InferenceLoop:
    """All sessions of one inference process.

    A session's sound is kept until it is settled; its sender holds back (``AsrSession.room``) and ``full`` says when to
    stop reading the socket altogether.
    """

    BACKLOG_MAX_SAMPLES = 3600 * SAMPLE_RATE_HZ  # 115 MB over all sessions

    def __init__(
        self,
        engine: StreamingEngine,
        voice: VoiceActivity,
        settings: WorkerSettings,
        tell: Callable[[BaseModel], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._attempts = Attempts(engine, tell)
        self._voice = voice
        self._tell = tell
        self._clock = clock
        self._silence_samples = settings.utterance_silence_ms * MS_SAMPLES
        self._max_samples = int(settings.utterance_max_s * SAMPLE_RATE_HZ)
        self._cadence = Cadence(settings.interim_interval_ms / 1000)
        self._sessions: dict[str, ListeningSession] = {}
        self._steps = 0
        self._step_s = 0.0
        self.stopped = False

    @property
    def full(self) -> bool:
        return sum(session.backlog_samples for session in self._sessions.values()) > self.BACKLOG_MAX_SAMPLES

    def take(self, message: wire.ToWorker, payload: bytes = b"") -> None:
        """One message from the server. Those of a session or generation that is gone are dropped."""
        if isinstance(message, wire.Ping):
            self._tell(self._pong(message.number))
        elif isinstance(message, wire.Shutdown):
            self.stopped = True
        elif isinstance(message, wire.Open):
            self._close(message.session_id)
            self._sessions[message.session_id] = ListeningSession(
                message, self._voice.open(), silence_samples=self._silence_samples, max_samples=self._max_samples
            )
        else:
            session = self._sessions.get(message.session_id)
            if session is None or session.generation != message.generation:
                return
            if isinstance(message, wire.Audio):
                session.take(message.start_samples, payload)
            elif isinstance(message, wire.Finalize):
                session.finalize(message.marker)
            else:
                self._close(message.session_id)

    def turn(self) -> bool:
        """Listen to what is new, and run one batch. True when there may be more to do at once."""
        busy = self._listen()
        self._say_guessed()
        now_s = self._clock()
        chosen = schedule.choose(self._wishes(), now_s, self._engine.batch_max)
        if chosen and chosen[0].guess:
            self._guess(self._sessions[chosen[0].session_id])
        elif chosen:
            self._run(chosen, now_s)
        return busy or bool(chosen)

    def next_due_s(self) -> float | None:
        """The time at which the next interim falls due, if one will without new sound."""
        return schedule.next_due_s(self._wishes())

    def _listen(self) -> bool:
        sessions, frames = [], []
        for session in self._sessions.values():
            sound = session.frames()
            sessions.append(session)
            frames.append(sound)
        heard = self._voice.listen([(s.state, f) for s, f in zip(sessions, frames, strict=True) if len(f)])
        answers = iter(heard)
        now_s = self._clock()
        for session, sound in zip(sessions, frames, strict=True):
            was_open = session.utterances.open_samples
            session.listened(next(answers) if len(sound) else [], levels(sound), now_s)
            if was_open is None and session.utterances.open_samples is not None:
                session.interim_due_s = now_s + self._cadence.interval_s
            self._settle(session)
        return bool(heard)

    def _settle(self, session: ListeningSession, *, now: bool = False) -> None:
        """Give back the markers that are through, tell the progress, forget what is settled."""
        while session.owed and session.owed[0].utterance is None:
            owed = session.owed.popleft()
            assert owed.marker is not None
            self._tell_settled(session, now=True)
            self._tell(wire.Marker(session_id=session.session_id, generation=session.generation, marker=owed.marker))
        self._tell_settled(session, now=now)
        session.forget_settled()

    def _tell_settled(self, session: ListeningSession, *, now: bool) -> None:
        settled = session.settled(now=now)
        if settled is not None:
            self._tell(settled)

    def _wishes(self) -> list[Wish]:
        wishes = []
        for session in self._sessions.values():
            live = session.options.lane == "live"
            if session.owed:
                wishes.append(Wish(session.session_id, True, live, session.owed[0].since_s))
            elif live and self._cadence.keeps_up and session.utterances.expected is not None:
                if session.guess is None or session.guess[0] != session.utterances.expected:
                    wishes.append(Wish(session.session_id, False, live, 0.0, guess=True))
            elif live and session.options.interim and self._new_sound(session) >= NEW_SOUND_SAMPLES:
                wishes.append(Wish(session.session_id, False, live, session.interim_due_s))
        return wishes

    def _guess(self, session: ListeningSession) -> None:
        """Run the final of an utterance whose last pause has begun: nothing else is to do, and it is likely the end."""
        utterance = session.utterances.expected
        assert utterance is not None
        stream = self._engine.open(session.options)
        sound = session.sound(utterance.start_samples, utterance.end_samples)
        step = Step(stream, sound, utterance.start_samples, flush=True)
        work = Work(session, None, step, utterance.start_samples)
        began_s = self._clock()
        [outcome] = self._attempts.run([work])
        self._steps += 1
        self._step_s += self._clock() - began_s
        self._engine.close(work.step.stream)
        session.guess = (utterance, outcome)

    def _say_guessed(self) -> None:
        for session in self._sessions.values():
            if session.owed and session.guess is not None and session.guess[0] == session.owed[0].utterance:
                self._said(session, session.owed[0], session.guess[1])

    @staticmethod
    def _new_sound(session: ListeningSession) -> int:
        """Sound of the open utterance that was listened to and the engine does not have."""
        start = session.utterances.open_samples
        if start is None:
            return 0
        done = session.stream_samples if session.stream is not None else start
        return session.utterances.speech_end_samples - done

    def _run(self, wishes: list[Wish], now_s: float) -> None:
        works = [self._work(self._sessions[wish.session_id], wish) for wish in wishes]
        for wish in wishes:
            if not wish.final:
                self._cadence.ran(now_s - wish.due_s)
        outcomes = self._attempts.run(works)
        done_s = self._clock()
        self._steps += 1
        self._step_s += done_s - now_s
        for work, outcome in zip(works, outcomes, strict=True):
            work.session.stream = work.step.stream
            if work.owed is not None:
                self._said(work.session, work.owed, outcome)
            elif isinstance(outcome, EngineFailed):
                # Its final may go well; and if not, it was tried often enough.
                self._engine.close(work.session.stream)
                work.session.stream = None
                work.session.interim_due_s = done_s + FAILED_INTERIM_S
            else:
                work.session.interim_due_s = done_s + self._cadence.interval_s
                self._say_so_far(work.session, outcome)

    def _work(self, session: ListeningSession, wish: Wish) -> Work:
        owed = session.owed[0] if wish.final else None
        if owed is not None:
            assert owed.utterance is not None
            start, end = owed.utterance.start_samples, owed.utterance.end_samples
        else:
            assert session.utterances.open_samples is not None
            start, end = session.utterances.open_samples, session.utterances.speech_end_samples
        if session.stream is None:
            session.stream = self._engine.open(session.options)
            session.stream_samples = start
        elif session.stream_samples > end:
            # The utterance was cut before what its interims already heard: the engine hears it anew, alone.
            self._engine.close(session.stream)
            session.stream = self._engine.open(session.options)
            session.stream_samples = start
        sound = session.sound(session.stream_samples, end)
        step = Step(session.stream, sound, session.stream_samples, flush=owed is not None)
        session.stream_samples = end
        return Work(session, owed, step, start)

    def _said(self, session: ListeningSession, owed: Owed, outcome: Hypothesis | EngineFailed) -> None:
        """The final of an utterance; without words when it is given up."""
        utterance = owed.utterance
        assert utterance is not None
        session.owed.popleft()
        if session.stream is not None:
            self._engine.close(session.stream)
            session.stream = None
        session.guess = None
        session.told = False
        bounds = (utterance.start_samples, utterance.end_samples)
        if isinstance(outcome, EngineFailed):
            self._give_up(session, bounds, outcome.message)
            outcome = Hypothesis(committed=())
        words = inside_voiced(outcome.words, utterance.voiced)
        self._heard(session, words, bounds, outcome.language, final=True)
        self._settle(session, now=True)

    def _give_up(self, session: ListeningSession, bounds: tuple[int, int], reason: str) -> None:
        self._tell(
            wire.GaveUp(
                session_id=session.session_id,
                generation=session.generation,
                start_samples=bounds[0],
                end_samples=bounds[1],
                message=reason,
            )
        )

    def _say_so_far(self, session: ListeningSession, hypothesis: Hypothesis) -> None:
        start = session.utterances.open_samples
        assert start is not None
        words = inside_voiced(hypothesis.words, session.utterances.voiced_spans())
        if words or session.told:  # an interim without words takes back what was told
            session.told = bool(words)
            self._heard(session, words, (start, session.stream_samples), hypothesis.language, final=False)

    def _heard(
        self,
        session: ListeningSession,
        words: tuple[Word, ...],
        bounds: tuple[int, int],
        language: str | None,
        *,
        final: bool,
    ) -> None:
        asked = session.options.language
        self._tell(
            wire.Heard(
                session_id=session.session_id,
                generation=session.generation,
                start_samples=words[0].start_samples if words else bounds[0],
                end_samples=words[-1].end_samples if words else bounds[1],
                words=words,
                final=final,
                through_samples=bounds[1],
                language=language or (asked if asked != "auto" else None),
            )
        )

    def _pong(self, number: int) -> wire.Pong:
        return wire.Pong(
            number=number,
            sessions=len(self._sessions),
            backlog_samples=sum(session.backlog_samples for session in self._sessions.values()),
            steps=self._steps,
            step_s=round(self._step_s, 3),
        )

    def _close(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None and session.stream is not None:
            self._engine.close(session.stream)
