"""What an engine on another machine still owes, finals and interims. Any other owes nothing: its steps return them."""

from __future__ import annotations

from asr.contract import RemoteEngine, StreamingEngine
from asr.listening import ListeningSession
from asr.utterances import Utterance
from protocol.errors import EngineFailed
from protocol.words import Hypothesis

ASK_AGAIN_S = 0.02  # nobody wakes the loop when words come: it looks so often while some are awaited


class Awaiting:
    """At most one utterance of each session; its next one waits behind it."""

    def __init__(self, engine: StreamingEngine) -> None:
        self._remote = engine if isinstance(engine, RemoteEngine) else None
        self._owed: dict[str, tuple[ListeningSession, Utterance]] = {}
        self._open: dict[str, ListeningSession] = {}  # those that had an interim

    @property
    def is_remote(self) -> bool:
        return self._remote is not None

    @property
    def away(self) -> str:
        return self._remote.away if self._remote is not None else ""

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._owed

    def begin(self, session: ListeningSession, utterance: Utterance) -> None:
        """The session's stream was flushed."""
        self._owed[session.session_id] = (session, utterance)

    def watch(self, session: ListeningSession) -> None:
        """Its stream goes on: more words may come of what was sent."""
        if self._remote is not None:
            self._open[session.session_id] = session

    def forget(self, session_id: str) -> None:
        self._owed.pop(session_id, None)
        self._open.pop(session_id, None)

    def news(self) -> list[tuple[ListeningSession, Hypothesis]]:
        """Interims that came since they were last asked for."""
        if self._remote is None:
            return []
        there = []
        for session in list(self._open.values()):
            if session.stream is None or session.owed or session.utterances.open_samples is None:
                del self._open[session.session_id]
            elif (heard := self._remote.news(session.stream)) is not None:
                there.append((session, heard))
        return there

    def come(self) -> list[tuple[ListeningSession, Utterance, Hypothesis | EngineFailed]]:
        """Those that are there now; they are awaited no longer."""
        if self._remote is None:
            return []
        there = []
        for session, utterance in list(self._owed.values()):
            outcome = self._remote.final(session.stream)
            if outcome is not None:
                del self._owed[session.session_id]
                there.append((session, utterance, outcome))
        return there

    def next_due_s(self, now_s: float) -> float | None:
        return now_s + ASK_AGAIN_S if self._owed or self._open else None
