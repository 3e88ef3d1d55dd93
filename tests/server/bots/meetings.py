"""Meetings that bots attend, with words at known times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EarshotError
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_items import Acted, Began, Moment, Sound
from server.bots.bot_stream import BotStream
from server.services import Services
from tests.fakes.node import DEADLINE_S, finals_of
from tests.fakes.scripted_sound import scripted_sound

BEGAN_AT = 1_767_225_600.0
HOUR_S = 3600.0
PIECE_S = 0.1
ADA, BEN = MeetingParticipant(id=1, name="Ada"), MeetingParticipant(id=2, name="Ben")


class Meeting:
    """A transcript that bots connect to, an hour after it began. ``bot_id``: of the bot that is registered for it."""

    def __init__(self, services: Services, transcript_id: str, bot_id: str | None = None) -> None:
        self.bot_id = bot_id
        self.services = services
        self.id = transcript_id
        self.began: Began | None = None
        self.now = BEGAN_AT + HOUR_S
        self.ended: list[EarshotError | None] = []

    def connect(self) -> BotStream:
        services = self.services

        async def tell(began: Began) -> None:
            self.began = began
            if self.bot_id is not None:
                await services.store.bots.began(self.bot_id, began)

        return BotStream(
            services.settings,
            services.hub,
            services.store,
            services.journal,
            services.speakers,
            services.resume_tokens,
            self.id,
            began=self.began,
            on_began=tell,
            on_ended=self.ended.append,
            clock=lambda: self.now,
        )

    @property
    def began_at(self) -> float | None:
        return None if self.began is None else self.began.at

    async def words(self) -> list[tuple[str, str | None, float]]:
        """Each, who said it, and when since the recording began."""
        tracks = {track.id: track.started_at for track in await self.services.store.tracks_of(self.id)}
        assert self.began_at is not None
        return sorted(
            (
                (
                    word.text,
                    segment.speaker,
                    tracks[segment.track] - self.began_at + word.start_samples / SAMPLE_RATE_HZ,
                )
                for segment in await finals_of(self.services, self.id)
                for word in segment.words
            ),
            key=lambda each: each[2],
        )

    async def heard(self, count: int) -> list[tuple[str, str | None, float]]:
        """As soon as so many words are told."""
        async with asyncio.timeout(DEADLINE_S), self.services.journal.subscribe(self.id, after=0, types=None) as events:
            async for _ in events:
                if len(words := await self.words()) >= count:
                    return words
        raise AssertionError("the journal ended")


def moment(relative_s: float) -> Moment:
    return Moment(relative_s, BEGAN_AT + relative_s)


async def say(
    stream: BotStream,
    who: MeetingParticipant | None,
    at_s: float,
    *words: str,
    told: Callable[[float], Moment] = moment,
    rate_hz: int = SAMPLE_RATE_HZ,
) -> None:
    """Pieces that tell their times, from half a second before the first word to half a second after the last."""
    spoken = [(word, 0.5 + number * 0.4) for number, word in enumerate(words)]
    pcm = scripted_sound(spoken, length_s=0.5 + len(words) * 0.4 + 0.5, sample_rate=rate_hz)
    step = round(PIECE_S * rate_hz) * 2
    for number, at in enumerate(range(0, len(pcm), step)):
        piece = pcm[at : at + step]
        await stream.take(Sound(who, piece, rate_hz, told(at_s - 0.5 + number * PIECE_S)))


def acted(action: ParticipantAction, who: MeetingParticipant, at_s: float, **chat: Any) -> Acted:
    return Acted(action, who, moment(at_s), **chat)
