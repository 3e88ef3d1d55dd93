"""What was shown of a participant, as a film."""

from __future__ import annotations

from dataclasses import replace

from protocol.errors import NotFound
from server.bots.video_parts import pictures_path
from server.services import Services
from server.sound import SoundFile, plain_file
from server.store.meeting_part_store import MeetingPart


async def film_of(services: Services, part: MeetingPart) -> SoundFile:
    """Of a camera's or a screen's part that has its end: MP4, made when it is asked for first. Raises ``NotFound``
    where nothing is left that may be shown, ``Overloaded``, ``StoreUnavailable``."""
    # Another node may have removed it, and the files that are here go later.
    if (await services.store.get_transcript(part.transcript_id)).audio_deleted:
        raise NotFound("Video unavailable due to privacy settings")
    await services.hub.sound.pictures.fetch(part)
    path = await services.derived.film(pictures_path(services.settings, part), part.end_s)
    return replace(await plain_file("original", path), media_type="video/mp4", suffix="mp4")
