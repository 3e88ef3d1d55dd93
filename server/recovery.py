"""After a start, and after another node is gone: transcripts left unfinished are completed by themselves.

Their recordings were cut at the last good record when they were opened; what lies after the last final is heard
again. A live source has the usual time to come back with its resume token before its track is finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from protocol.errors import Conflict, EarshotError, NotFound, StoreUnavailable
from protocol.states import UNFINISHED, TranscriptState
from server.hub import Hub
from server.intake import Intake
from server.nodes.holding import Holding
from server.recorders import is_replaced
from server.rounds import repeat
from server.status import logged
from server.store.node_store import Before
from server.store.records import Track, Transcript
from server.store.store import Store

log = structlog.get_logger(__name__)

AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Recovered:
    """``count`` tracks were opened. ``has_failed``: one could not be; ``is_left``: it can be later."""

    count: int
    has_failed: bool
    is_left: bool


class Recovery:
    """Goes on with transcripts, and again with those that cannot be had now: the store, or the bucket, is away."""

    def __init__(
        self, store: Store, hub: Hub, intake: Intake, holding: Holding, *, went_on: Callable[[], None]
    ) -> None:
        self._store = store
        self._hub = hub
        self._intake = intake
        self._holding = holding
        self._went_on = went_on  # told whenever some were taken over
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        again = repeat(self._again, every_s=AGAIN_S, name="recovery", woken=self._holding.left_found)
        self._task = asyncio.create_task(again, name="recovery")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def go_on(self, transcript_ids: Sequence[str]) -> int:
        """Open every unfinished track of these again; returns how many there were. What they still need goes on in
        background."""
        count = 0
        for transcript_id in transcript_ids:
            with logged(transcript_id):
                try:
                    count += await self._open(transcript_id)
                except StoreUnavailable:
                    raise  # it is tried again
                except Exception:
                    self._holding.left.pop(transcript_id, None)  # others do not wait behind it for ever
                    raise
        if count:
            log.info("recovering unfinished tracks", count=count)
        self._went_on()
        return count

    async def _open(self, transcript_id: str) -> int:
        """Until all of it is open, it comes to no end here (``Hub.settle``)."""
        try:
            transcript = await self._store.get_transcript(transcript_id)
        except NotFound:
            self._holding.left.pop(transcript_id, None)  # in the bin meanwhile, or gone
            return 0
        busy = {session.track.id for session in self._hub.sessions_of(transcript_id)}
        tracks = [each for each in await tracks_to_recover(self._store, transcript_id) if each.id not in busy]
        found = await recover_transcript(self._hub, self._intake, transcript, tracks)
        if not found.is_left:
            left = self._holding.left.pop(transcript_id, Before.GONE)
            if not found.has_failed:
                await self._settle(transcript_id, left)
        return found.count

    async def _settle(self, transcript_id: str, left: Before) -> None:
        """Whoever was there meanwhile may be gone again."""
        try:
            if await self._store.state_of(transcript_id) in UNFINISHED:
                await self._hub.settle(transcript_id)
        except NotFound:
            pass  # deleted meanwhile
        except StoreUnavailable:
            self._holding.left.setdefault(transcript_id, left)
            raise

    async def _again(self) -> None:
        if not self._holding.is_leaving:
            await self.go_on(sorted(self._holding.left))


async def tracks_to_recover(store: Store, transcript_id: str) -> list[Track]:
    """Those that are open, without those of chunks: who writes chunks down goes on with them."""
    of_chunks = await store.conversations.sound_tracks_of(transcript_id)
    tracks = await store.tracks_of(transcript_id)
    return [track for track in tracks if track.state == "open" and track.id not in of_chunks]


async def recover_transcript(
    hub: Hub, intake: Intake, transcript: Transcript, tracks: Sequence[Track], *, wait: bool = True
) -> Recovered:
    """Of one transcript; ``wait``: a live source may come back."""
    count, has_failed, is_left = 0, False, False
    for track in tracks:
        try:
            if transcript.state not in UNFINISHED and await _is_empty(hub, track):
                # Cut short between its row and all else: who began it begins again.
                await hub.forget_track(track)
                continue
            is_uploaded = track.source == "file" and await hub.sound.has_upload(track)
            session = await hub.recover(track)
        except Conflict:
            continue
        except (EarshotError, OSError) as error:
            log.error("track not recovered", track=track.id, error=type(error).__name__)
            has_failed = True
            # What is in another node's folder waits for that node, which goes on with it when it comes back.
            is_left = is_left or (isinstance(error, StoreUnavailable) and hub.sound.is_within_reach(track))
            continue
        count += 1
        if is_uploaded:
            intake.begin(session)
        elif not wait or transcript.state is TranscriptState.PROCESSING or track.source == "file":
            session.pipeline.hear_by()
            session.pipeline.listen()
            session.finish_soon()  # it had been stopped: only its finals were still due
        elif is_replaced(session, hub.sessions_of(transcript.id)):
            session.finish_soon()
        else:
            session.wait_for_source()
    return Recovered(count, has_failed, is_left)


async def _is_empty(hub: Hub, track: Track) -> bool:
    try:
        await hub.sound.fetch(track)
        return not await asyncio.to_thread(hub.recording(track).length_samples)
    except NotFound:
        return True
