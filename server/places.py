"""In which lane each may speak: live, or, of a bot's meeting, recorded, and heard behind everybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from asr.client import AsrClient
from protocol.errors import Overloaded
from server.admission import Admission, load_ratio
from server.live import LiveSession, SourceOptions
from server.settings import Settings

CAUGHT_UP_MS = 2000


class Places:
    """``sessions``: all that there are, by their ids."""

    def __init__(self, settings: Settings, sessions: Mapping[str, LiveSession], asr: AsrClient) -> None:
        self._settings = settings
        self._admission = Admission(settings)
        self._sessions = sessions
        self._asr = asr
        self._coming = 0  # speakers that were let in and are not among the sessions yet

    @property
    def load_ratio(self) -> float:
        """How full the node is, 0..1."""
        taking = [session for session in self._sessions.values() if session.takes_place]
        return load_ratio(taking, self._asr.workers, self._settings)

    @contextmanager
    def admitted(self, options: SourceOptions) -> Iterator[SourceOptions]:
        """While its session is opened, in the lane in which it may be. Raises ``Overloaded``."""
        admitted = self._lane_for(options)
        is_coming = admitted.lane != "file"
        self._coming += is_coming
        try:
            yield admitted
        finally:
            self._coming -= is_coming

    async def ask_again(self, session: LiveSession) -> None:
        """For one of a bot's participants, who speaks again, or is not heard live: from now on they are, if there is
        room; else they get their words late, behind everybody who is."""
        before = session.pipeline.options
        if before.lane == "file" and session.pipeline.lag_ms > CAUGHT_UP_MS:
            return  # heard live they would hold up others, to whom the recogniser would seem to be behind
        lane = "file"
        with suppress(Overloaded):
            lane = self._lane_for(SourceOptions(source="bot"), but=session).lane
        if lane != before.lane:
            await session.pipeline.change(self._asr, before.model_copy(update={"lane": lane}))

    def _lane_for(self, options: SourceOptions, *, but: LiveSession | None = None) -> SourceOptions:
        speaking = [session for session in self._sessions.values() if session.takes_place and session is not but]
        try:
            self._admission.admit_speaker(speaking, self._asr.workers, coming=self._coming)
        except Overloaded:
            if options.source != "bot":
                raise
            self._admission.admit_recorded(self._sessions.values())
            return replace(options, lane="file")
        return options
