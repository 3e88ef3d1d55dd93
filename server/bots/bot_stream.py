"""One connection of a bot: what it sends becomes tracks of its transcript, one for each participant, and events.

All tracks begin when the recording does, so that a sample's index is the time that the bot tells. Sound that is missing
(muted, away, lost with the connection) is a pause. Where each participant's sound comes by itself, that of the whole
room is not heard as well: every word would come twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from media.meeting_sound import MeetingSound
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import Conflict, EarshotError, IllegalMove, TooLarge
from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_items import Acted, Head, Item, Moment, Sound
from server.hub import Hub
from server.journal import Journal
from server.live import LiveSession, SourceOptions
from server.resume import ResumeTokens
from server.speakers import Speakers
from server.store.store import Store

log = structlog.get_logger(__name__)

PARTICIPANTS_MAX = 100
MIXED = "mixed"  # the track of a whole room
IDLE_S = 1.0  # who sent nothing for so long says nothing: what is held back is given, and made final
AHEAD_S = 30.0  # a bot that sends faster than time goes is held back from here on
ACTED_MAX = 50_000
KNOWN_MAX = 256  # what participants did, by which it is known when it comes again
# By how much the times of pieces that belong together may be off: told to the sample, by the sender's clock, by ours.
EXACT_SAMPLES, CLOCK_SAMPLES, ARRIVAL_SAMPLES = (SAMPLE_RATE_HZ * ms // 1000 for ms in (40, 300, 500))
_QUIET = frozenset({ParticipantAction.SPEECH_OFF, ParticipantAction.LEAVE})


@dataclass(slots=True)
class _Voice:
    session: LiveSession
    sound: MeetingSound
    heard_at_s: float = field(default_factory=time.monotonic)
    is_idle: bool = False


class BotStream:
    """Not for several tasks at once but for ``tick``, which may come between.

    ``began_at``: when the recording began (epoch seconds), if that is known from a connection before; else ``on_began``
    is given it before anything is kept. ``on_ended`` is called once, when our side ends it.
    """

    def __init__(
        self,
        hub: Hub,
        store: Store,
        journal: Journal,
        speakers: Speakers,
        tokens: ResumeTokens,
        transcript_id: str,
        *,
        began_at: float | None = None,
        on_began: Callable[[float], Awaitable[None]],
        on_ended: Callable[[EarshotError | None], None] = lambda error: None,
        language: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._store = store
        self._journal = journal
        self._speakers = speakers
        self._tokens = tokens
        self._transcript_id = transcript_id
        self._began_at = began_at
        self._on_began = on_began
        self._tell_ended = on_ended
        self._language = language
        self._clock = clock
        self._offset_s = 0.0  # of sound that tells no times
        self._ahead_s: float | None = None  # by how much the bot's clock is ahead of ours
        self._voices: dict[str, _Voice] = {}
        self._names: dict[int, str | None] = {}  # as the bot told them
        self._known: deque[tuple[ParticipantAction, int, float]] = deque(maxlen=KNOWN_MAX)
        self._finalizing: set[asyncio.Task[None]] = set()
        self._acted = 0
        self.is_over = False  # nothing more is taken
        self.taken = 0  # messages
        self._is_let_go = False

    async def take(self, item: Item) -> None:
        """Raises ``AudioFormatError`` and ``TooLarge`` for what is not taken, and then takes nothing of it; and what
        ``Hub.attach`` raises."""
        if self.is_over:
            return
        self.taken += 1
        match item:
            case Head():
                self._offset_s = item.offset_s
            case Sound():
                await self._hear(item)
            case Acted():
                await self._note(item)

    def tick(self) -> None:
        """To be called about twice a second: whoever fell silent gets the words of what they said."""
        now_s = time.monotonic()
        for voice in self._voices.values():
            if not voice.is_idle and now_s - voice.heard_at_s >= IDLE_S:
                self._settle(voice)

    async def stop(self) -> None:
        """The meeting is over, also for those that spoke by a connection before: returns when all words are told."""
        await self._quieten()
        with suppress(IllegalMove):  # nobody speaks
            await self._hub.end(self._transcript_id)
        await asyncio.gather(*(voice.session.stop() for voice in self._voices.values()))

    async def lost(self, reason: str) -> None:
        """The connection is gone, and may come back. Idempotent."""
        if not self._is_let_go:
            await self._quieten()
            for voice in self._voices.values():
                voice.session.lost(self._ended, reason)

    def end(self) -> None:
        """Its bot leaves: whoever runs the connection is told to ``stop`` when nothing more comes."""
        self._tell_ended(None)

    async def _quieten(self) -> None:
        self.is_over = self._is_let_go = True
        for voice in self._voices.values():
            self._give(voice, voice.sound.flush())
        for task in self._finalizing:
            task.cancel()
        await asyncio.gather(*self._finalizing, return_exceptions=True)

    # Sound.

    async def _hear(self, sound: Sound) -> None:
        length_s = len(sound.pcm) / 2 / sound.rate_hz
        start_s = await self._relative_s(sound.moment, before_s=length_s)
        name = MIXED if sound.participant is None else f"participant-{sound.participant.id}"
        if name == MIXED and any(each != MIXED for each in self._voices):
            return
        voice = self._voices.get(name) or await self._begin(name, sound)
        now_samples = round(self._now_s() * SAMPLE_RATE_HZ)
        if sound.moment == Moment():
            self._give(voice, voice.sound.arrived(sound.pcm, now_samples))
        else:
            self._give(voice, voice.sound.feed(round(start_s * SAMPLE_RATE_HZ), sound.pcm, now_samples=now_samples))
        voice.heard_at_s, voice.is_idle = time.monotonic(), False
        if sound.participant is not None:
            await self._name(sound.participant)
        ahead_s = voice.sound.end_samples / SAMPLE_RATE_HZ - self._now_s()
        if ahead_s > AHEAD_S:
            await asyncio.sleep(min(length_s, ahead_s - AHEAD_S))

    def _give(self, voice: _Voice, blocks: list[Block]) -> None:
        for block in blocks:
            voice.session.feed(block)

    async def _begin(self, name: str, sound: Sound) -> _Voice:
        """A track for it, or the one that it had before the connection was lost."""
        if name != MIXED and (mixed := self._voices.pop(MIXED, None)) is not None:
            self._give(mixed, mixed.sound.flush())
            await mixed.session.stop()
        if len(self._voices) >= PARTICIPANTS_MAX:
            raise TooLarge(f"a meeting may have {PARTICIPANTS_MAX} participants that speak")
        tracks = await self._store.tracks_of(self._transcript_id)
        before = next((track for track in tracks if track.name == name), None)
        token = None if before is None else self._tokens.make(self._transcript_id, before.id)
        options = SourceOptions(track=name, source="bot", started_at=self._began_at, language=self._language)
        session = await self._hub.attach(self._transcript_id, options, resume_token=token)
        session.attach(self._ended)
        exact = sound.moment.relative_s is not None
        tolerance_samples = EXACT_SAMPLES if exact else ARRIVAL_SAMPLES if sound.moment == Moment() else CLOCK_SAMPLES
        length_samples = session.pipeline.length_samples
        placed = MeetingSound(sound.rate_hz, tolerance_samples=tolerance_samples, length_samples=length_samples)
        self._voices[name] = _Voice(session, placed)
        return self._voices[name]

    def _settle(self, voice: _Voice) -> None:
        voice.is_idle = True
        self._give(voice, voice.sound.flush())
        task = asyncio.create_task(self._finalize(voice.session), name=f"finalize {voice.session.session_id}")
        self._finalizing.add(task)
        task.add_done_callback(self._finalizing.discard)

    async def _finalize(self, session: LiveSession) -> None:
        with suppress(EarshotError):  # it is over: its end makes finals of everything
            await session.pipeline.finalize()

    def _ended(self, error: EarshotError | None) -> None:
        """One of the sessions was ended by our side: the whole connection is over."""
        if not self.is_over:
            self.is_over = True
            self._tell_ended(error)

    # What participants do.

    async def _note(self, acted: Acted) -> None:
        relative_s = await self._relative_s(acted.moment)
        known = acted.action, acted.participant.id, relative_s
        if known in self._known:
            return
        if self._acted >= ACTED_MAX:
            raise TooLarge(f"{ACTED_MAX} events of participants are taken of one connection")
        self._acted += 1
        self._known.append(known)
        assert self._began_at is not None
        at = acted.moment.at if acted.moment.at is not None else self._began_at + relative_s
        event = ParticipantActed(
            action=acted.action,
            participant=acted.participant,
            relative_s=relative_s,
            at=at,
            text=acted.text,
            to=acted.to,
        )
        await self._journal.append(self._transcript_id, event, patient=True)
        await self._name(acted.participant)
        voice = self._voices.get(f"participant-{acted.participant.id}")
        if voice is not None and acted.action in _QUIET:
            self._settle(voice)

    async def _name(self, participant: MeetingParticipant) -> None:
        """Their words carry their name. What somebody named them by hand stays, until they change their name."""
        voice = self._voices.get(f"participant-{participant.id}")
        if voice is None or not participant.name or self._names.get(participant.id) == participant.name:
            return
        is_renamed = participant.id in self._names
        self._names[participant.id] = participant.name
        label = voice.session.track.speaker
        with suppress(Conflict):  # it is locked
            named = {each.speaker: each for each in await self._speakers.participants(self._transcript_id)}.get(label)
            if named is None:
                await self._speakers.add(self._transcript_id, name=participant.name, speaker=label)
            elif is_renamed:
                await self._speakers.change(self._transcript_id, named.id, name=participant.name)

    # Time.

    def _now_s(self) -> float:
        """By our clock, or by the bot's where that is ahead."""
        assert self._began_at is not None
        return max(0.0, self._clock() - self._began_at + (self._ahead_s or 0.0))

    async def _relative_s(self, moment: Moment, *, before_s: float = 0.0) -> float:
        """Seconds since the recording began. What tells no time is now; ``before_s``: or so much before."""
        if self._began_at is None:
            now = self._clock() if moment.at is None else moment.at
            self._began_at = now - (self._offset_s + before_s if moment == Moment() else moment.relative_s or 0.0)
            await self._on_began(self._began_at)
            log.info("a bot's recording began", transcript=self._transcript_id)
        if moment == Moment():
            return max(0.0, self._now_s() - before_s)
        told_s = (moment.at or 0.0) - self._began_at if moment.relative_s is None else moment.relative_s
        if self._ahead_s is None:
            self._ahead_s = max(0.0, told_s - (self._clock() - self._began_at))
        return max(0.0, told_s)
