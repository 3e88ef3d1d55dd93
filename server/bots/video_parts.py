"""Stretches in which a participant's camera or screen was shown, and their pictures on disk.

A part ends when its bot says so (the camera is off, the participant left), when no picture comes for a while, and when
the pictures become of another kind or size. It goes on after a connection was lost, at the same node. Each is stored
when it begins and when its end is known; else it ends where its pictures do. What is on disk is what came, and goes to
the bucket, where there is one; it becomes a film when somebody asks for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from media import picture_file, stills
from media.picture_file import PICTURE_MAX_BYTES, PictureFormat, PictureRecord
from media.video import SPS, nal_types
from protocol.errors import InvalidMessage, Overloaded, StoreUnavailable, TooLarge
from protocol.ids import new_meeting_part_id
from protocol.participants import ParticipantAction
from protocol.wire.bot_items import Picture, Surface
from server.admission import admit_sound
from server.bots.write_behind import WriteBehind
from server.nodes.kept_pictures import KeptPictures
from server.nodes.shipping import Shipment
from server.settings import Settings
from server.store.meeting_part_store import PICTURES, MeetingPart, MeetingPartStore

MESSAGE_MAX_BYTES = PICTURE_MAX_BYTES * 4 // 3 + 64 * 1024  # a picture in base64, and who shows it
GAP_S = 10.0  # a shared screen on which nothing moves sends few pictures
LAST_S = 1.0  # how long the last picture of a part is shown where nobody says until when
RETRIED_EVERY_S = 10.0  # what the store did not take at once
PARTS_MAX = 2000  # of one connection
OPEN_MAX = 200  # at once: a camera and a screen of each participant
PART_MAX_BYTES, RECORDING_MAX_BYTES = 2 << 30, 16 << 30
_ENDS: dict[ParticipantAction, tuple[Surface, ...]] = {
    ParticipantAction.WEBCAM_OFF: ("webcam",),
    ParticipantAction.SCREENSHARE_OFF: ("screenshare",),
    ParticipantAction.LEAVE: ("webcam", "screenshare"),
}
_FORMATS = {"png": PictureFormat.PNG, "jpeg": PictureFormat.JPEG, "h264": PictureFormat.H264}
_Of = tuple[int, Surface]


@dataclass(slots=True)
class _Open:
    part: MeetingPart
    kind: tuple[object, ...]  # of its pictures: the format, and of stills their size
    last_ms: int
    shipment: Shipment | None
    length_bytes: int = 0
    is_resumed: bool = False  # it was begun by a connection before, and nothing came by this one yet


class VideoParts:
    """Of one connection, for one task but for ``tick``."""

    def __init__(self, settings: Settings, store: MeetingPartStore, kept: KeptPictures, transcript_id: str) -> None:
        self._settings = settings
        self._store = store
        self._kept = kept
        self._transcript_id = transcript_id
        self._folder = settings.recordings_dir / transcript_id
        self._open: dict[_Of, _Open] = {}
        self._before: dict[_Of, MeetingPart] | None = None  # what nobody ended so far; None: not looked at yet
        self._written = WriteBehind(store.put, every_s=RETRIED_EVERY_S, what="parts of video")
        self._grew: WriteBehind[tuple[MeetingPart, Shipment]] = WriteBehind(
            kept.grew, every_s=RETRIED_EVERY_S, what="ends of pictures"
        )
        self._shipments: list[tuple[MeetingPart, Shipment]] = []
        self._count = 0
        self._length_bytes: int | None = None  # of the recording's pictures; None: not looked at yet

    async def take(self, picture: Picture, at_s: float) -> None:
        """A picture at that time of the recording; one that comes late is left out.

        Raises ``InvalidMessage`` and ``AudioFormatError`` for what is no picture, ``TooLarge``, ``Overloaded`` while
        the disk does not take it, and ``Conflict`` where the bucket may keep none.
        """
        record = PictureRecord(round(at_s * 1000), _FORMATS[picture.format], picture.data)
        kind = _kind_of(record)
        of: _Of = picture.participant.id, picture.surface
        opened = await self._opened(of)
        is_stream = record.format is PictureFormat.H264  # of which several pieces may come with one time
        if opened is not None and opened.kind == kind and record.at_ms < opened.last_ms + (not is_stream):
            return
        is_late = opened is not None and record.at_ms - opened.last_ms > GAP_S * 1000
        if opened is not None and (opened.kind != kind or is_late):
            was_away = is_late and opened.is_resumed
            self._end(of, opened.last_ms / 1000 + LAST_S if was_away else record.at_ms / 1000)
            opened = None
        if is_stream and (opened is None or opened.is_resumed) and SPS not in nal_types(record.data):
            return  # nothing can be shown until a picture comes that needs none before it
        if opened is None:
            opened = await self._begin(of, kind, record)
        size_bytes = picture_file.HEADER_BYTES + len(record.data)
        assert self._length_bytes is not None
        if opened.length_bytes + size_bytes > PART_MAX_BYTES or self._length_bytes + size_bytes > RECORDING_MAX_BYTES:
            raise TooLarge("no more pictures of this recording are kept", details={"max_bytes": RECORDING_MAX_BYTES})
        try:
            await asyncio.to_thread(picture_file.append, pictures_path(self._settings, opened.part), record)
        except StoreUnavailable as error:  # the sound goes on, for which there is its own
            raise Overloaded(error.message) from error
        opened.length_bytes += size_bytes
        if opened.shipment is not None:
            opened.shipment.synced(0, opened.length_bytes)
        self._length_bytes += size_bytes
        opened.last_ms = record.at_ms
        opened.is_resumed = False

    async def acted(self, action: ParticipantAction, participant_id: int, at_s: float) -> None:
        """What a participant did may end what is shown of them. Raises what the store raises."""
        for surface in _ENDS.get(action, ()):
            await self._opened((participant_id, surface))
            self._end((participant_id, surface), at_s)

    def pause(self) -> None:
        """Nothing more is recorded for now."""
        for of, opened in list(self._open.items()):
            self._end(of, opened.last_ms / 1000 + LAST_S)

    def tick(self) -> None:
        self._written.tick()

    async def close(self, *, is_over: bool) -> None:
        """What is known of what came is stored. Unless the meeting ``is_over``, what was not ended may go on by another
        connection. Idempotent."""
        if is_over:
            self.pause()
        self._open.clear()
        await self._written.close()
        for part, shipment in self._shipments:
            shipment.let_go()
            self._grew.put(part.id, (part, shipment))
        await self._grew.close()

    async def finish(self) -> None:
        """As ``WriteBehind.finish``."""
        await asyncio.gather(self._written.finish(), self._grew.finish())

    async def sent(self) -> None:
        """After ``close``: as much of it as can be is in the bucket, which is waited for as for the end of a track."""
        await asyncio.gather(*(shipment.end() for _, shipment in self._shipments))

    async def _opened(self, of: _Of) -> _Open | None:
        """What is shown of them just now, also since before a connection was lost."""
        if self._before is None:
            found = await self._store.of_transcript(self._transcript_id)
            newest = {(part.participant_id, part.kind): part for part in found}
            self._before = {
                (id_, kind): part for (id_, kind), part in newest.items() if kind != "audio" and part.end_s is None
            }
        part = self._before.get(of)
        if part is not None and of not in self._open and self._kept.is_ours(part):
            with suppress(FileNotFoundError):
                path = pictures_path(self._settings, part)
                last, is_whole = await asyncio.to_thread(picture_file.last, path)
                if last is not None:
                    await self._measure()
                    kind = _kind_of(last) if is_whole else ()  # nothing is read behind what was cut
                    length_bytes = (await asyncio.to_thread(path.stat)).st_size
                    shipment = self._noted(part, await self._kept.go_on(part, length_bytes))
                    self._open[of] = _Open(part, kind, last.at_ms, shipment, length_bytes, is_resumed=True)
        self._before.pop(of, None)
        return self._open.get(of)

    def _noted(self, part: MeetingPart, shipment: Shipment | None) -> Shipment | None:
        if shipment is not None:
            self._shipments.append((part, shipment))
        return shipment

    async def _measure(self) -> None:
        if self._length_bytes is None:
            self._length_bytes = await asyncio.to_thread(_length_bytes, self._folder)

    async def _begin(self, of: _Of, kind: tuple[object, ...], record: PictureRecord) -> _Open:
        if self._count >= PARTS_MAX or len(self._open) >= OPEN_MAX:
            raise TooLarge(f"a connection shows {PARTS_MAX} stretches of video, {OPEN_MAX} at once")
        await asyncio.to_thread(admit_sound, self._settings)
        if self._count == 0:
            await self._kept.check(self._transcript_id)
        await self._measure()
        participant_id, surface = of
        start_s = record.at_ms / 1000
        part, shipment = self._kept.begin(
            MeetingPart(new_meeting_part_id(), self._transcript_id, surface, participant_id, start_s)
        )
        self._count += 1
        opened = self._open[of] = _Open(part, kind, record.at_ms, self._noted(part, shipment))
        self._written.put(part.id, part, at_once=True)
        return opened

    def _end(self, of: _Of, at_s: float) -> None:
        """The last picture is shown until then, where that is not long after."""
        if (opened := self._open.pop(of, None)) is not None:
            last_s = opened.last_ms / 1000
            end_s = max(last_s + 0.001, min(at_s, last_s + GAP_S))
            self._written.put(opened.part.id, replace(opened.part, end_s=end_s), at_once=True)
            if opened.shipment is not None:
                opened.shipment.let_go()


def pictures_path(settings: Settings, part: MeetingPart) -> Path:
    """Where its pictures are."""
    return settings.recordings_dir / part.path


def _kind_of(record: PictureRecord) -> tuple[object, ...]:
    if len(record.data) > PICTURE_MAX_BYTES:
        raise TooLarge("a picture is too large", details={"max_bytes": PICTURE_MAX_BYTES})
    if record.format is not PictureFormat.H264:
        return record.format, *stills.size_of(record.format, record.data)
    if not nal_types(record.data):
        raise InvalidMessage("this is no H.264 in Annex B form: it has no start code")
    return (record.format,)


def _length_bytes(folder: Path) -> int:
    """Of all pictures that the recording has; makes its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return sum(path.stat().st_size for path in folder.glob(f"*{PICTURES}"))
