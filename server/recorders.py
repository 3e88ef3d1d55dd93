"""One recorder a place: who may begin to record a transcript that somebody records already.

A source that names nothing has the transcript's own place; one that names its ``track``, or else its ``speaker``, has a
place of that name, beside the others. A place is taken for as long as its session lives, also while it waits for its
source to come back: whoever has the resume token comes back, and everybody else is refused. Files take no place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import count

from protocol.errors import Conflict, NotFound, Replaced
from protocol.states import SessionState
from server import heard_as
from server.live import LiveSession, SourceOptions
from server.recorder_place import Place
from server.store.records import SourceKind, Track
from server.store.store import Store

ONE_MICROPHONE: frozenset[SourceKind] = frozenset({"webrtc", "stream", "file"})


async def admit_recorder(
    store: Store, live: Iterable[LiveSession], options: SourceOptions, track_id: str | None
) -> None:
    """For a source that begins anew, or, with ``track_id``, one whose session was over when it came back.

    Raises ``Conflict`` when the place is taken; the message says what can be done.
    """
    if options.source == "file":
        return
    place = options.place
    if track_id is not None:
        with suppress(NotFound):  # one whose source never came is gone
            place = Place.of(await store.get_track(track_id))
    for session in live:
        if session.is_at(place):
            if session.gives_way:
                session.finish_soon()
                continue
            if not options.takes_over:
                raise _taken(session)
            session.end(Replaced("this participant joined the room by another connection"))


def is_replaced(session: LiveSession, others: Iterable[LiveSession]) -> bool:
    """Whether somebody records at its place who came before it could be opened again."""
    came = (other for other in others if other.is_live and other.state is not SessionState.RESUMING)
    return any(other is not session and other.is_at(session.recorder_place) for other in came)


async def new_track(
    store: Store,
    transcript_id: str,
    options: SourceOptions,
    *,
    tells_apart: bool = True,
    reserve: Callable[[str], bool] = lambda label: True,
    held_by: str | None = None,
) -> Track:
    """A track for it, with names of ours where it gave none.

    ``tells_apart``: whether voices that a track mixes are told apart here at all; ``reserve``: as ``Voices.reserve``;
    ``held_by``: as for ``Store.create_track``.
    """
    tracks = await store.tracks_of(transcript_id)
    taken = {name for track in tracks for name in (track.name, track.speaker)}
    taken |= {*(await store.voices.labels_of(transcript_id)).values()}
    numbers = count(len(tracks) + 1)  # those before may be gone, and those after them not
    free = (n for n in numbers if taken.isdisjoint((f"track-{n}", f"Speaker {n}")))
    number = next(free)
    # A voice that people told apart on another track is not this one; one that they only named may be.
    while not options.speaker and (
        await store.voices.is_heard(transcript_id, f"Speaker {number}") or not reserve(f"Speaker {number}")
    ):
        number = next(free)
    track = await store.create_track(
        transcript_id,
        name=options.track or f"track-{number}",
        speaker=options.speaker or f"Speaker {number}",
        source=options.source,
        started_at=time.time() if options.started_at is None else options.started_at,
        track_id=options.track_id,
        model=options.model,
        voices=replace(options.voices, diarize=tells_apart and _mixes_voices(options)),
        held_by=held_by,
    )
    return await heard_as.keep(store, track, options)


def _mixes_voices(options: SourceOptions) -> bool:
    """Where nobody said: one microphone that nobody's name is on. What a bot sends is of one participant."""
    asked = options.voices.diarize
    return options.source in ONE_MICROPHONE and (not options.speaker if asked is None else asked)


def _taken(session: LiveSession) -> Conflict:
    details = {"track": session.track.name, "state": session.state.value}
    beside = "stop that recording first, or name a `track` of its own to be heard beside it"
    left_s = session.grace_left_s
    if session.state is not SessionState.RESUMING or left_s is None:
        return Conflict(f"this is being recorded already: {beside}", details=details)
    return Conflict(
        f"this is being recorded already, by a source that may come back within {math.ceil(left_s)} s: {beside}",
        details={**details, "retry_after_s": math.ceil(left_s)},
        retry_after_s=left_s,
    )
