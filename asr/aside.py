"""Networks that tell voices apart, one call at a time in a thread of their own: words need not wait for them.

Their runtime lets go of Python's lock while it computes. So the loop's own thread goes on with the words: on another
core or, where there is none, as the less nice of the two.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from asr import wire
from asr.listening import ListeningSession

NICER_BY = 5  # the others have three quarters of a core that both want
LOOK_S = 0.005  # so often it is looked whether a call is over

Then = Callable[[Any, float], None]


@dataclass(slots=True)
class _Call:
    work: Callable[[], Any]
    then: Then
    sessions: frozenset[str]
    outcome: Any = None
    began_s: float = 0.0
    ended_s: float = 0.0


class Aside:
    """All is called by the loop's thread, and so is what is given, but for ``work``.

    ``tell`` is told whose voices are in a call (``wire.Beside``), ``spent`` from when to when it ran. Unless
    ``in_thread``, ``begin`` is over when the call is, and its time is the caller's.
    """

    def __init__(
        self,
        tell: Callable[[BaseModel], None],
        clock: Callable[[], float],
        spent: Callable[[float, float], None],
        *,
        in_thread: bool,
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._spent = spent
        self._in_thread = in_thread
        self._call: _Call | None = None
        self._thread: threading.Thread | None = None  # of this call: one that waits for the next would have to be ended

    @property
    def busy(self) -> bool:
        """A call was begun, and what comes then was not done."""
        return self._call is not None

    def has(self, session_id: str) -> bool:
        """Whether it is in the call."""
        return self._call is not None and session_id in self._call.sessions

    def begin(
        self, sessions: Collection[ListeningSession], work: Callable[[], Any], then: Then, *, changes: bool = False
    ) -> None:
        """``then`` is called with what ``work`` returned, or with the ``Exception`` that it raised, and the seconds it
        took. No other call may be begun before."""
        assert self._call is None, "one at a time"
        self._tell(
            wire.Beside(voices=tuple(dict.fromkeys((s.session_id, s.generation) for s in sessions)), changes=changes)
        )
        self._call = _Call(work, then, frozenset(session.session_id for session in sessions))
        if not self._in_thread:
            self._run(self._call)
            self._end()
            return
        self._thread = threading.Thread(target=self._run_nicely, args=(self._call,), name="aside", daemon=True)
        self._thread.start()

    def look(self) -> bool:
        """Do what comes then, if the call is over; whether it was."""
        if self._thread is None or self._thread.is_alive():
            return False
        self._end()
        return True

    def wait(self) -> None:
        """Until the call is over, if one was begun; then do what comes then."""
        if self._thread is not None:
            self._thread.join()
            self._end()

    def _end(self) -> None:
        call, self._call, self._thread = self._call, None, None
        assert call is not None
        self._tell(wire.Beside(voices=()))
        if self._in_thread:
            self._spent(call.began_s, call.ended_s)
        call.then(call.outcome, call.ended_s - call.began_s)

    def _run(self, call: _Call) -> None:
        call.began_s = self._clock()
        try:
            call.outcome = call.work()
        except Exception as error:
            call.outcome = error
        call.ended_s = self._clock()

    def _run_nicely(self, call: _Call) -> None:
        if sys.platform == "linux":  # elsewhere it would be that of the whole process
            with contextlib.suppress(OSError):
                nice = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, 0, min(19, nice + NICER_BY))
        self._run(call)
