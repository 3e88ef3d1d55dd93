"""How a track is heard: as its source asked when it began, also by whoever goes on with it after a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from asr.client import AsrClient
from server.live import LiveSession, SourceOptions
from server.store.records import Track, Transcript
from server.store.store import Store

ASKED = ("language", "hotwords", "utterance_silence_ms")
LAST_SEGMENTS = 20  # of the transcript: so far back it is looked for in which language the track was heard last


async def keep(store: Store, track: Track, options: SourceOptions) -> Track:
    """With the track, if anything is asked for or was before."""
    asked = {name: value for name in ASKED if (value := getattr(options, name))}
    text = json.dumps(asked) if asked else None
    if text != track.asked:
        await store.asked.put(track.id, text)
    return replace(track, asked=text)


def again(track: Track, options: SourceOptions) -> SourceOptions:
    """``options`` of a source that comes back: what it does not say is as it was."""
    asked: dict[str, Any] = json.loads(track.asked) if track.asked else {}
    asked["hotwords"] = tuple(asked.get("hotwords", ()))
    return replace(options, **{name: value for name, value in asked.items() if not getattr(options, name)})


async def recalled(store: Store, track: Track, transcript: Transcript) -> SourceOptions:
    """What is known of the source of a track whose session is gone."""
    asked = again(track, SourceOptions())
    of_house = SourceOptions.of(track, transcript.language)
    options = again(track, replace(of_house, language=asked.language or of_house.language))
    return replace(options, heard_language=await _heard_language(store, track, transcript))


async def _heard_language(store: Store, track: Track, transcript: Transcript) -> str | None:
    offset = max(0, transcript.segments - LAST_SEGMENTS)
    last = await store.segments_of(transcript.id, offset=offset, limit=LAST_SEGMENTS)
    return next((one.segment.language for one in reversed(last) if one.segment.track == track.id), None)


async def go_on(session: LiveSession, options: SourceOptions, asr: AsrClient, store: Store) -> None:
    """What a source that comes back does not say stays as it was."""
    before = session.pipeline.options
    given = {name: value for name in (*ASKED, "interim") if (value := getattr(options, name)) not in (None, ())}
    await session.pipeline.change(asr, before.model_copy(update=given))
    session.pipeline.track = await keep(store, session.track, again(session.track, options))
