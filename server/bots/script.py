"""A meeting that is played: who takes part, from when to when, and what they are heard saying. No clock, no network."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from media.decode import DecodeLimits, decode_file
from media.drawn import Drawing
from media.picture_file import PictureFormat as PictureFile
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, seconds, silence
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_items import Acted, Moment, Picture, PictureFormat, Sound, Surface

PIECE_SAMPLES = SAMPLE_RATE_HZ // 10
_SHOWN = {
    "webcam": (ParticipantAction.WEBCAM_ON, ParticipantAction.WEBCAM_OFF),
    "screenshare": (ParticipantAction.SCREENSHARE_ON, ParticipantAction.SCREENSHARE_OFF),
}
Sent = Sound | Acted | Picture
LIMITS = DecodeLimits(bytes_max=1 << 36, duration_max_s=48 * 3600.0)
FIELDS = "name, at, join, leave, mute, webcam, screen, chat"
RATES_HZ: dict[PictureFormat, int] = {"png": 2, "h264": 10}


@dataclass(frozen=True, slots=True)
class Part:
    """One participant. ``at_s``: when their recording begins; they are there from ``joins_s`` to ``leaves_s`` (None:
    to the end of what they say, show and write), and heard, but not from one of ``mutes`` to the other. ``shown``:
    their camera and screen, from when to when; ``chats``: what they write to everyone, and when."""

    participant: MeetingParticipant
    path: Path
    at_s: float = 0.0
    joins_s: float = 0.0
    leaves_s: float | None = None
    mutes: tuple[tuple[float, float], ...] = ()
    shown: tuple[tuple[Surface, float, float], ...] = ()
    pictures: PictureFormat = "png"
    chats: tuple[tuple[float, str], ...] = ()

    @classmethod
    def parse(cls, text: str, number: int, pictures: PictureFormat = "png") -> Part:
        """``FILE,name=Ada,at=6.5,join=2,leave=60,mute=10-20,webcam=3-9,screen=4-50,chat=7:Hello``; all but the
        file may be left out, and stretches and messages come again. Raises ``ValueError``, whose text says what is
        wrong."""
        path, *fields = text.split(",")
        name, at_s, joins_s, leaves_s = Path(path).stem, 0.0, None, None
        mutes, shown = list[tuple[float, float]](), list[tuple[Surface, float, float]]()
        chats = list[tuple[float, str]]()
        for each in fields:
            key, _, value = each.partition("=")
            match key.strip():
                case "name":
                    name = value
                case "at":
                    at_s = _seconds(key, value)
                case "join":
                    joins_s = _seconds(key, value)
                case "leave":
                    leaves_s = _seconds(key, value)
                case "mute":
                    mutes.append(_stretch(key, value))
                case "webcam":
                    shown.append(("webcam", *_stretch(key, value)))
                case "screen":
                    shown.append(("screenshare", *_stretch(key, value)))
                case "chat":
                    when, _, said = value.partition(":")
                    chats.append((_seconds(key, when), said))
                case _:
                    raise ValueError(f"{each!r} is none of {FIELDS}")
        who = MeetingParticipant(id=number, name=name, is_host=number == 1, platform="simulated")
        joins_s = at_s if joins_s is None else joins_s
        everything = tuple(mutes), tuple(shown), pictures, tuple(sorted(chats))
        return cls(who, Path(path), at_s, joins_s, leaves_s, *everything)

    def check(self) -> None:
        """Raises ``AudioFormatError`` where there is no sound in the file."""
        next(self._pieces(), None)

    def items(self, began_at: float) -> Iterator[tuple[float, Sent]]:
        """What a bot sends of them, each with when it does, in order: a piece of sound when it is over."""
        pictures = (self._pictures(surface, start_s, end_s, began_at) for surface, start_s, end_s in self.shown)
        everything = (self._heard(began_at), *pictures, self._written(began_at))
        return heapq.merge(*everything, key=lambda each: (each[0], _is_leaving(each[1])))

    def _written(self, began_at: float) -> Iterator[tuple[float, Sent]]:
        for at_s, text in self.chats:
            moment = Moment(at_s, began_at + at_s)
            yield at_s, Acted(ParticipantAction.CHAT_MESSAGE, self.participant, moment, text, "everyone")

    def _pictures(
        self, surface: Surface, start_s: float, end_s: float, began_at: float
    ) -> Iterator[tuple[float, Sent]]:
        on, off = _SHOWN[surface]
        rate_hz = RATES_HZ[self.pictures]
        drawing = Drawing(PictureFile[self.pictures.upper()], self.participant.id, rate_hz)
        yield start_s, self._acted(on, start_s, began_at)
        for number in range(round((end_s - start_s) * rate_hz)):
            at_s = start_s + number / rate_hz
            moment = Moment(at_s, began_at + at_s)
            yield at_s, Picture(self.participant, surface, self.pictures, drawing.at(at_s), moment)
        yield end_s, self._acted(off, end_s, began_at)

    def _heard(self, began_at: float) -> Iterator[tuple[float, Sent]]:
        yield self.joins_s, self._acted(ParticipantAction.JOIN, self.joins_s, began_at)
        end_s = self.joins_s
        for start_s, pcm in self._pieces():
            end_s = start_s + seconds(len(pcm) // BYTES_PER_SAMPLE)
            if self.leaves_s is not None and end_s > self.leaves_s:
                break
            if start_s >= self.joins_s and not any(start < end_s and start_s < end for start, end in self.mutes):
                yield end_s, Sound(self.participant, pcm, SAMPLE_RATE_HZ, Moment(start_s, began_at + start_s))
        ends_s = [end_s, *(until_s for _, _, until_s in self.shown), *(at_s for at_s, _ in self.chats)]
        leaves_s = max(self.joins_s, max(ends_s) if self.leaves_s is None else self.leaves_s)
        yield leaves_s, self._acted(ParticipantAction.LEAVE, leaves_s, began_at)

    def _acted(self, action: ParticipantAction, at_s: float, began_at: float) -> Acted:
        return Acted(action, self.participant, Moment(at_s, began_at + at_s))

    def _pieces(self) -> Iterator[tuple[float, bytes]]:
        size = PIECE_SAMPLES * BYTES_PER_SAMPLE
        waiting, at_samples, given_samples = bytearray(), 0, 0
        for block in decode_file(self.path, LIMITS):
            if block.start_samples > at_samples:
                waiting += silence(at_samples, block.start_samples).pcm
            waiting += block.pcm
            at_samples = block.end_samples
            while len(waiting) >= size:
                yield self.at_s + seconds(given_samples), bytes(waiting[:size])
                given_samples += PIECE_SAMPLES
                del waiting[:size]
        if waiting:
            yield self.at_s + seconds(given_samples), bytes(waiting)


def played(parts: Sequence[Part], began_at: float) -> Iterator[tuple[float, Sent]]:
    """All of them together, in order. Raises what decoding raises."""
    return heapq.merge(*(part.items(began_at) for part in parts), key=lambda each: each[0])


def _is_leaving(sent: Sent) -> bool:
    """Which comes after all else of one time."""
    return isinstance(sent, Acted) and sent.action is ParticipantAction.LEAVE


def _stretch(key: str, text: str) -> tuple[float, float]:
    start, _, end = text.partition("-")
    found = _seconds(key, start), _seconds(key, end)
    if found[0] >= found[1]:
        raise ValueError(f"{key} takes two times, the earlier one first, not {text!r}")
    return found


def _seconds(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 86_400:
        raise ValueError(f"{key} takes seconds, not {text!r}")
    return value
