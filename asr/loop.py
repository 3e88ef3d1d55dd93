"""The inference loop: take in, listen, choose, run, commit, tell. One thread, no socket, no clock of its own.

Its owner gives it every message that came (``take``), lets it take turns while it says there is more to do (``turn``)
and sleeps no longer than ``next_due_s`` otherwise. What it has to say goes to ``tell``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pydantic import BaseModel

from asr import schedule, wire
from asr.attempts import Attempts, Work
from asr.awaiting import Awaiting
from asr.contract import Step, StreamingEngine
from asr.encoder_loading import EncoderLoading
from asr.hearing import Hearing
from asr.listening import ListeningSession
from asr.load import BusyShare
from asr.saying import Saying
from asr.schedule import Cadence, Kind, Wish
from asr.utterances import Utterance
from asr.vad import VoiceActivity
from asr.voices_lane import VoicesLane
from asr.worker_settings import WorkerSettings
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Hypothesis

FAILED_INTERIM_S = 3.0  # until an utterance whose interim failed is tried again
# On a processor long finals gain little from company, and one step shall not keep all interims waiting for seconds.
FINALS_MAX_SAMPLES = 18 * SAMPLE_RATE_HZ
# A guess may be wrong, and a long one keeps others waiting: some engines need a third of the sound's time for a final.
GUESS_MAX_SAMPLES = 8 * SAMPLE_RATE_HZ
NEW_SOUND_SAMPLES = 100 * MS_SAMPLES  # an interim is worth a step only with so much new sound


class InferenceLoop:
    """All sessions of one inference process.

    A session's sound is kept until it is settled; its sender holds back (``AsrSession.room``) and ``full`` says when to
    stop reading the socket altogether. A session costs a turn nothing unless something is new in it: what it wishes is
    worked out then, and remembered.
    """

    BACKLOG_MAX_SAMPLES = 3600 * SAMPLE_RATE_HZ  # 115 MB over all sessions

    def __init__(
        self,
        engine: StreamingEngine,
        voice: VoiceActivity,
        settings: WorkerSettings,
        tell: Callable[[BaseModel], None],
        clock: Callable[[], float],
        encoder: EncoderLoading | None = None,
    ) -> None:
        self._engine = engine
        self._attempts = Attempts(engine, tell)
        self._awaiting = Awaiting(engine)
        self._hearing = Hearing(voice, tell)
        self._busy = BusyShare(clock())
        self._voices = VoicesLane(encoder, tell, clock, self._busy.spent)
        self._saying = Saying(tell, self._voices)
        self._tell = tell
        self._clock = clock
        self._silence_ms = settings.utterance_silence_ms
        self._max_samples = int(min(settings.utterance_max_s, engine.info.utterance_max_s) * SAMPLE_RATE_HZ)
        self._cadence = Cadence(settings.interim_interval_ms / 1000)
        self._finals_max_samples = FINALS_MAX_SAMPLES if engine.info.device == "cpu" else None
        self._sessions: dict[str, ListeningSession] = {}
        self._fresh: dict[str, ListeningSession] = {}  # those with sound or ends to listen to
        self._guessed: dict[str, ListeningSession] = {}  # those whose final was run ahead of time
        self._wishes: dict[str, Wish] = {}  # at most one of each session
        self._backlogs: dict[str, int] = {}
        self._backlog_samples = 0
        self._before: tuple[Kind, ...] = ()  # what ran last, two of them
        self._utterances = 0
        self._interims_dropped = 0
        self._steps = 0
        self._step_s = 0.0
        self._listen_s = 0.0  # since the last step
        self._listened_frames = 0  # up to the last step
        self.stopped = False

    @property
    def full(self) -> bool:
        return self._backlog_samples > self.BACKLOG_MAX_SAMPLES

    def take(self, message: wire.ToWorker, payload: bytes = b"") -> None:
        """One message from the server. Those of a session or generation that is gone are dropped."""
        if isinstance(message, wire.Ping):
            self._tell(self._pong(message.number))
        elif isinstance(message, wire.Shutdown):
            self.stopped = True
        elif isinstance(message, wire.Open):
            self._close(message.session_id)
            silence_ms = message.options.utterance_silence_ms or self._silence_ms
            opened = ListeningSession(
                message,
                self._hearing.open(message.start_samples - message.lead_samples),
                silence_samples=silence_ms * MS_SAMPLES,
                max_samples=self._max_samples,
            )
            self._sessions[message.session_id] = opened
            self._voices.open(message, opened)
        else:
            session = self._sessions.get(message.session_id)
            if session is None or session.generation != message.generation:
                return
            if isinstance(message, wire.Audio):
                session.take(message.start_samples, payload)
            elif isinstance(message, wire.Finalize):
                session.finalize(message.marker, leave_open=message.leave_open)
            elif isinstance(message, wire.FoundVoices):
                self._voices.found(message)
                return
            else:
                self._close(message.session_id)
                return
            self._fresh[session.session_id] = session
            self._note_backlog(session)

    def turn(self) -> bool:
        """Listen to what is new, and run one batch. True when there may be more to do at once."""
        heard = self._listen()
        self._say_guessed()
        came = self._say_awaited()
        now_s = self._clock()
        chosen = schedule.choose(
            self._wanted(), now_s, self._engine.batch_max, self._before, sound_max_samples=self._finals_max_samples
        )
        if not chosen or chosen[0].kind not in ("final", "interim"):
            files = [wish.session_id for wish in chosen if wish.kind == "file"]
            if self._voices.turn(files):
                if not files:
                    self._busy.spent(now_s, self._clock())
                return True
        if chosen:
            self._run(chosen, now_s)
        return heard or came or bool(chosen) or bool(self._fresh)

    def next_due_s(self) -> float | None:
        """The time at which the next interim or step of voices falls due, if one will without new sound."""
        awaited_s = self._awaiting.next_due_s(self._clock())
        dues_s = (schedule.next_due_s(self._wishes.values()), self._voices.next_due_s(), awaited_s)
        return min((due_s for due_s in dues_s if due_s is not None), default=None)

    def _listen(self) -> bool:
        if not self._fresh:
            return False
        began_s = self._clock()
        fresh, self._fresh = self._fresh, {}
        news = [(session, session.frames()) for session in fresh.values() if session.ready_frames]
        answers = self._hearing.listen(news)
        now_s = self._clock()
        for session in fresh.values():
            was_open = session.utterances.open_samples
            session.listened(*answers.get(session.session_id, ([], [])), now_s)
            self._voices.listened(session)
            if was_open is None and session.utterances.open_samples is not None:
                self._cadence.calm(now_s)
                session.interim_due_s = now_s + self._cadence.interval_s
            self._settle(session)
            self._note(session, now_s)
        self._busy.spent(began_s, now_s)
        self._listen_s += now_s - began_s
        return bool(news)

    def _note(self, session: ListeningSession, now_s: float) -> None:
        """Remember what the session wants now. To be called whenever something changed in it."""
        self._note_backlog(session)
        if session.ready_frames:
            self._fresh[session.session_id] = session
        wish = self._wish(session)
        if wish is None or wish.kind != "interim":
            self._give_up_interims(session, now_s)
        elif session.interim_wanted_s is None:
            session.interim_wanted_s = max(now_s, wish.due_s - self._cadence.interval_s + self._cadence.wanted_s)
        if wish is None:
            self._wishes.pop(session.session_id, None)
        else:
            self._wishes[session.session_id] = wish

    def _give_up_interims(self, session: ListeningSession, now_s: float) -> None:
        """Count those that the wanted cadence would have had until now."""
        if session.interim_wanted_s is not None:
            self._interims_dropped += max(0, int((now_s - session.interim_wanted_s) / self._cadence.wanted_s))
            session.interim_wanted_s = None

    def _note_backlog(self, session: ListeningSession) -> None:
        backlog_samples = session.backlog_samples
        self._backlog_samples += backlog_samples - self._backlogs.get(session.session_id, 0)
        self._backlogs[session.session_id] = backlog_samples

    def _wish(self, session: ListeningSession) -> Wish | None:
        live = session.options.lane == "live"
        if session.session_id in self._awaiting:
            return None
        if session.owed:
            owed = session.owed[0]
            sound_samples = owed.utterance.end_samples - owed.utterance.start_samples if owed.utterance else 0
            return Wish(session.session_id, True, live, owed.since_s, sound_samples=sound_samples, alone=session.alone)
        if not live:
            return None
        is_guessing = self._cadence.keeps_up and not self._awaiting.is_remote  # what is elsewhere is not idle
        if is_guessing and session.utterances.pausing and _worth_guessing(session):
            if session.guess is None or session.guess[0] != session.utterances.expected:
                return Wish(session.session_id, False, live, 0.0, guess=True)
            return None
        if session.options.interim and self._new_sound(session) >= NEW_SOUND_SAMPLES:
            return Wish(session.session_id, False, live, session.interim_due_s, alone=session.alone)
        return None

    def _wanted(self) -> list[Wish]:
        """All wishes; guesses only while interims come as often as they are wanted."""
        return [wish for wish in self._wishes.values() if self._cadence.keeps_up or not wish.guess]

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

    def _say_guessed(self) -> None:
        right = [
            (session, session.guess)
            for session in self._guessed.values()
            if session.owed and session.guess is not None and session.guess[0] == session.owed[0].utterance
        ]
        self._make_up_voices([(session, utterance) for session, (utterance, _) in right])
        for session, (utterance, outcome) in right:
            self._said(session, utterance, outcome)
            self._note(session, self._clock())

    def _say_awaited(self) -> bool:
        came = self._awaiting.come()
        for session, utterance, outcome in came:
            self._said(session, utterance, outcome)
            self._note(session, self._clock())
        for session, heard in self._awaiting.news():
            self._saying.so_far(session, heard)
        return bool(came)

    @staticmethod
    def _new_sound(session: ListeningSession) -> int:
        """Sound of the open utterance that was listened to and the engine does not have."""
        start = session.utterances.open_samples
        if start is None:
            return 0
        done = session.stream_samples if session.stream is not None else start
        return session.utterances.speech_end_samples - done

    def _run(self, wishes: list[Wish], now_s: float) -> None:
        kind, batch_max = wishes[0].kind, self._engine.batch_max
        if kind in ("final", "file"):
            sessions = (self._sessions[wish.session_id] for wish in wishes)
            self._make_up_voices([(each, each.owed[0].utterance) for each in sessions if each.owed[0].utterance])
            now_s = self._clock()
        works = [self._work(self._sessions[wish.session_id], wish) for wish in wishes]
        for wish, work in zip(wishes, works, strict=True):
            if kind in ("interim", "final"):  # late finals are a machine that is behind, too
                self._cadence.ran(now_s - wish.due_s, now_s)
            if kind == "interim":
                self._give_up_interims(work.session, now_s)
        sound_samples = sum(len(work.step.samples) for work in works)
        outcomes = self._attempts.run(works)
        done_s = self._clock()
        self._ran(kind, done_s - now_s)
        if kind != "guess":
            self._busy.spent(now_s, done_s)
        for work, outcome in zip(works, outcomes, strict=True):
            self._take_outcome(kind, work, outcome, now_s)
            self._note(work.session, done_s)
        wanted_s = [wish.due_s for wish in wishes if not wish.guess]
        self._tell(
            wire.Ran(
                kind=kind,
                size=len(works),
                batch_max=batch_max,
                wait_ms=round(1000 * (now_s - min(wanted_s, default=now_s)), 3),
                run_ms=round(1000 * (done_s - now_s), 3),
                sound_samples=sound_samples,
                listened_frames=self._hearing.frames - self._listened_frames,
                listen_ms=round(1000 * self._listen_s, 3),
            )
        )
        self._listened_frames, self._listen_s = self._hearing.frames, 0.0

    def _make_up_voices(self, owed: list[tuple[ListeningSession, Utterance]]) -> None:
        began_s = self._clock()
        self._voices.catch_up(owed)
        self._busy.spent(began_s, self._clock())

    def _ran(self, kind: Kind, seconds: float) -> None:
        self._before = (*self._before[-1:], kind)
        self._steps += 1
        self._step_s += seconds

    def _take_outcome(self, kind: Kind, work: Work, outcome: Hypothesis | EngineFailed, began_s: float) -> None:
        session = work.session
        if kind == "guess":
            self._engine.close(work.step.stream)
            assert work.guessed is not None
            session.guess = (work.guessed, outcome)
            self._guessed[session.session_id] = session
            return
        session.stream = work.step.stream
        if work.owed is not None:
            assert work.owed.utterance is not None
            if self._awaiting.is_remote and not isinstance(outcome, EngineFailed):
                self._awaiting.begin(session, work.owed.utterance)
            else:
                self._said(session, work.owed.utterance, outcome)
        elif isinstance(outcome, EngineFailed):
            # Its final may go well; and if not, it was tried often enough.
            self._engine.close(session.stream)
            session.stream = None
            session.interim_due_s = began_s + FAILED_INTERIM_S
        else:
            # From its beginning: a step that takes longer than the interval makes the next one late, which is seen.
            session.interim_due_s = began_s + self._cadence.interval_s
            self._awaiting.watch(session)
            self._saying.so_far(session, outcome)

    def _work(self, session: ListeningSession, wish: Wish) -> Work:
        if wish.guess:
            return self._guess(session)
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

    def _guess(self, session: ListeningSession) -> Work:
        """The final of an utterance whose last pause has begun: nothing else is to do, and it is likely the end."""
        utterance = session.utterances.expected
        assert utterance is not None
        sound = session.sound(utterance.start_samples, utterance.end_samples)
        step = Step(self._engine.open(session.options), sound, utterance.start_samples, flush=True)
        return Work(session, None, step, utterance.start_samples, utterance)

    def _said(self, session: ListeningSession, utterance: Utterance, outcome: Hypothesis | EngineFailed) -> None:
        """The final of an utterance; without words when it is given up."""
        session.owed.popleft()
        if session.stream is not None:
            self._engine.close(session.stream)
            session.stream = None
        session.guess = None
        self._guessed.pop(session.session_id, None)
        session.told = False
        self._utterances += 1
        self._saying.final(session, utterance, outcome)
        self._settle(session, now=True)

    def _pong(self, number: int) -> wire.Pong:
        now_s = self._clock()
        # Nobody speaks, though files may wait: what was too much is over, and who asks for a place shall know.
        if not any(wish.live for wish in self._wishes.values()):
            self._cadence.calm(now_s)
        return wire.Pong(
            number=number,
            sessions=len(self._sessions),
            live=sum(session.options.lane == "live" for session in self._sessions.values()),
            backlog_samples=self._backlog_samples,
            steps=self._steps,
            step_s=round(self._step_s, 3),
            busy=round(self._busy.share(now_s), 3),
            interim_ms=round(1000 * self._cadence.interval_s),
            waiting=sum(not wish.guess and (wish.final or wish.due_s <= now_s) for wish in self._wishes.values()),
            utterances=self._utterances,
            interims_dropped=self._interims_dropped,
            guard_hits=dict(+self._saying.hits + Counter(self._engine.guard_hits)),
            away=self._awaiting.away,
            **self._voices.figures(),
        )

    def _close(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        for kept in (self._fresh, self._guessed, self._wishes):
            kept.pop(session_id, None)
        self._awaiting.forget(session_id)
        self._voices.close(session_id)
        self._backlog_samples -= self._backlogs.pop(session_id, 0)
        if session is not None and session.stream is not None:
            self._engine.close(session.stream)


def _worth_guessing(session: ListeningSession) -> bool:
    start_samples = session.utterances.open_samples
    assert start_samples is not None
    return session.utterances.listened_samples - start_samples <= GUESS_MAX_SAMPLES
