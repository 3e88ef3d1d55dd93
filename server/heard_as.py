"""How a track is heard: as its source asked, also by whoever goes on with it after a restart."""

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


async def recalled(store: Store, track: Track, transcript: Transcript) -> SourceOptions:
    """What is known of the source of a track whose session is gone."""
    options = _as_before(track, SourceOptions.of(track))
    language = options.language or (None if transcript.language == "auto" else transcript.language)
    return replace(options, language=language, heard_language=await _heard_language(store, track, transcript))


async def again(
    store: Store, track: Track, transcript: Transcript, options: SourceOptions
) -> tuple[Track, SourceOptions]:
    """Of a source that comes back to a track whose session is gone: what it does not say is as it was."""
    options = replace(_as_before(track, options), heard_language=await _heard_language(store, track, transcript))
    return await keep(store, track, options), options


async def go_on(session: LiveSession, options: SourceOptions, asr: AsrClient, store: Store) -> None:
    """A source comes back to its session: what it does not say stays as it was."""
    given = {name: value for name in (*ASKED, "interim") if (value := getattr(options, name)) not in (None, ())}
    await session.pipeline.change(asr, session.pipeline.options.model_copy(update=given))
    session.pipeline.track = await keep(store, session.track, _as_before(session.track, options))


def _as_before(track: Track, options: SourceOptions) -> SourceOptions:
    asked: dict[str, Any] = json.loads(track.asked) if track.asked else {}
    asked["hotwords"] = tuple(asked.get("hotwords", ()))
    return replace(options, **{name: value for name, value in asked.items() if not getattr(options, name)})


async def _heard_language(store: Store, track: Track, transcript: Transcript) -> str | None:
    offset = max(0, transcript.segments - LAST_SEGMENTS)
    last = await store.segments_of(transcript.id, offset=offset, limit=LAST_SEGMENTS)
    return next((one.segment.language for one in reversed(last) if one.segment.track == track.id), None)
