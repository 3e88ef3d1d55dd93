"""After a start, and after another node is gone: transcripts left unfinished are completed by themselves.

Their recordings were cut at the last good record when they were opened; what lies after the last final is heard
again. A live source has the usual time to come back with its resume token before its track is finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from protocol.errors import EarshotError, NotFound
from protocol.states import UNFINISHED, TranscriptState
from server.hub import Hub
from server.intake import Intake
from server.status import logged
from server.store.records import Track, Transcript
from server.store.store import Store

log = structlog.get_logger(__name__)


def _nothing() -> None:
    pass


async def recover(
    store: Store, hub: Hub, intake: Intake, transcript_ids: Sequence[str], *, went_on: Callable[[], None] = _nothing
) -> int:
    """Open every unfinished track of these again; returns how many there were. What they still need goes on in
    background. ``went_on``: called in the end."""
    count = 0
    for transcript_id in transcript_ids:
        with logged(transcript_id):
            transcript = await store.get_transcript(transcript_id)
            tracks = await tracks_to_recover(store, transcript_id)
            count += await recover_transcript(hub, intake, transcript, tracks)
    if count:
        log.info("recovering unfinished tracks", count=count)
    went_on()
    return count


async def tracks_to_recover(store: Store, transcript_id: str) -> list[Track]:
    """Without those of chunks: who writes chunks down goes on with them."""
    of_chunks = await store.conversations.sound_tracks_of(transcript_id)
    return [track for track in await store.tracks_of(transcript_id) if track.id not in of_chunks]


async def recover_transcript(
    hub: Hub, intake: Intake, transcript: Transcript, tracks: Sequence[Track], *, wait: bool = True
) -> int:
    """As ``recover``, of one transcript; ``wait``: a live source may come back."""
    count = 0
    unfinished = [track for track in tracks if track.state == "open"]
    for track in unfinished:
        try:
            if transcript.state not in UNFINISHED and await _is_empty(hub, track):
                # Cut short between its row and all else: who began it begins again.
                await hub.forget_track(track)
                continue
            session = await hub.recover(track)
        except (EarshotError, OSError) as error:
            log.error("track not recovered", track=track.id, error=type(error).__name__)
            continue
        count += 1
        if track.source == "file" and await asyncio.to_thread(intake.kept_path(session).exists):
            intake.begin(session)
        elif not wait or transcript.state is TranscriptState.PROCESSING or track.source == "file":
            session.pipeline.hear_by()
            session.pipeline.listen()
            session.finish_soon()  # it had been stopped: only its finals were still due
        else:
            session.wait_for_source()
    if not unfinished and transcript.state in UNFINISHED:
        await hub.settle(transcript.id)
    return count


async def _is_empty(hub: Hub, track: Track) -> bool:
    try:
        return not await asyncio.to_thread(hub.recording(track).length_samples)
    except NotFound:
        return True
