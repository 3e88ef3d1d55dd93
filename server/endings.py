"""How sessions end that nobody stopped: their time is over, or that of the node; and what is let go of then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from protocol.errors import Draining, EarshotError, HeldElsewhere, StoreUnavailable, TooLarge
from server.live import LiveSession
from server.locks import Locks
from server.nodes.holding import Holding
from server.settings import Settings

CHECK_INTERVAL_S = 0.5
BOT_SESSION_MAX_S = 86_400.0  # no meeting is longer
IDLE_S = 5.0
RETRY_STORE_S = 1.0
PAUSE_MAX_S = 3.0  # so long a node that stops waits for a pause of who speaks and cannot come back
SETTLING_S = 5.0  # so long a node that stops waits for what is at its end

T = TypeVar("T")


async def watch(sessions: Mapping[str, LiveSession], settings: Settings) -> None:
    """End those whose source never came, and those that last too long; until cancelled."""
    while True:
        await asyncio.sleep(CHECK_INTERVAL_S)
        now_s = time.monotonic()
        for session in list(sessions.values()):
            session.check(now_s)
            if not session.attached and now_s - session.opened_at_s > settings.connect_deadline_s:
                session.abandon()
            most_s = BOT_SESSION_MAX_S if session.track.source == "bot" else settings.session_max_s
            is_too_long = now_s - session.opened_at_s > most_s
            if is_too_long and session.is_live and session.attached:
                session.end(TooLarge("the longest time of a session is over; begin a new one"))


async def drain(sessions: Sequence[LiveSession], deadline_s: float) -> bool:
    """Finish them; whether all finals came in time. Sources are told last, but for those of which something is left."""
    leaving = Draining("the server is about to stop; connect again")
    loop = asyncio.get_running_loop()
    until_s = loop.time() + deadline_s
    pause_s = min(PAUSE_MAX_S, deadline_s / 3)
    finishing = await asyncio.gather(*(_finishing(session, leaving, pause_s) for session in sessions))
    for session, task in zip(sessions, finishing, strict=True):
        if session.leaves_open:
            task.add_done_callback(partial(_sent_on, session, leaving))
    late = (await asyncio.wait(finishing, timeout=max(0.0, until_s - loop.time())))[1] if finishing else set()
    for session in sessions:
        session.end(leaving)
    return not late


def _sent_on(session: LiveSession, leaving: Draining, task: asyncio.Task[None]) -> None:
    """What it says from here on, be it that it has ended, is for whoever hears the rest of it."""
    if session.is_left_open:
        session.end(leaving)


async def _finishing(session: LiveSession, leaving: Draining, pause_s: float) -> asyncio.Task[None]:
    """Begin to finish one. Who can come back is left in the middle of what they say, which the next node hears whole.
    Who cannot, in a pause, if they make one in time: else a word is cut."""
    is_file = session.track.source == "file"
    if session.is_sounding and not is_file and not session.comes_back:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await session.pipeline.pause()
    if session.track.source == "webrtc":
        session.end(leaving)  # what a peer says from here on it must keep for another connection
    # A file goes on at the next start; everybody else gets the words of what was said.
    return session.finish_soon(finals=not is_file, leave_open=session.comes_back)


async def release(sessions: Sequence[LiveSession]) -> None:
    """Let go of everything. What has no finals yet gets them at the next start."""
    late = [session.finishing for session in sessions if session.finishing]
    for task in late:
        task.cancel()
    closing = [session.finish_soon(finals=False) for session in sessions]
    await asyncio.gather(*late, *closing, return_exceptions=True)
    # A task that was cancelled before it ran has let go of nothing.
    for session in sessions:
        await session.release()


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Do it again until the store is not away, however long that takes. Raises what else it raises."""
    while True:
        try:
            return await work()
        except StoreUnavailable:
            await asyncio.sleep(RETRY_STORE_S)


async def settled(settling: Collection[asyncio.Task[None]]) -> None:
    """What cannot be settled now, as the store is away, is so at the next start."""
    if settling:
        for task in (await asyncio.wait(settling, timeout=SETTLING_S))[1]:
            task.cancel()
        await asyncio.gather(*settling, return_exceptions=True)


async def lose(sessions: dict[str, LiveSession], bots: Mapping[str, Callable[[EarshotError], None]]) -> None:
    """Another node may go on with them by now: they end here, and their sources are told to connect again; so are bots
    that only show something. ``bots``: what sends each away."""
    elsewhere = HeldElsewhere("another node goes on with this: connect again", retry_after_s=1.0)
    for send_away in list(bots.values()):
        send_away(elsewhere)
    for session in list(sessions.values()):
        session.end(elsewhere, finals=False)
        await session.abort()
        sessions.pop(session.session_id, None)


async def let_go_of_idle(holding: Holding, locks: Locks, sessions: Mapping[str, LiveSession]) -> None:
    """What was held for a session that never began."""
    for transcript_id in holding.idle(for_s=IDLE_S):
        async with locks.of(transcript_id):
            if all(session.transcript_id != transcript_id for session in sessions.values()):
                await holding.let_go(transcript_id)
