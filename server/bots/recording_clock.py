"""When things of a recording were, counted from its beginning by whatever time its bot tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from protocol.wire.bot_items import Began, Moment


class RecordingClock:
    """``began``: as a connection before this one found it. Else the first moment says when it was, and ``on_began`` is
    told before anything is kept. ``clock`` gives epoch seconds."""

    def __init__(
        self, began: Began | None, on_began: Callable[[Began], Awaitable[None]], clock: Callable[[], float]
    ) -> None:
        self._began = began
        self._on_began = on_began
        self._clock = clock

    @property
    def began_at(self) -> float:
        """Only once anything was."""
        assert self._began is not None
        return self._began.at

    @property
    def has_begun(self) -> bool:
        return self._began is not None

    def now_s(self) -> float:
        """Seconds since the recording began, by our clock, or by the bot's where that was ahead at the beginning."""
        assert self._began is not None
        return max(0.0, self._clock() - self._began.at + self._began.ahead_s)

    async def relative_s(self, moment: Moment, *, before_s: float = 0.0, offset_s: float = 0.0) -> float:
        """Seconds since the recording began. What tells no time is now, ``before_s`` before; when it is the first, it
        is at ``offset_s``."""
        if self._began is None:
            now = self._clock()
            told_s = offset_s + before_s if moment == Moment() else moment.relative_s or 0.0
            at = (now if moment.at is None else moment.at) - told_s
            began = Began(at, max(0.0, told_s - (now - at)))
            await self._on_began(began)
            self._began = began
        if moment.relative_s is not None:
            return moment.relative_s
        if moment.at is not None:
            return max(0.0, moment.at - self._began.at)
        return max(0.0, self.now_s() - before_s)
