"""One connection of a bot: what it sends becomes tracks of its transcript, one for each participant, and events.

All tracks begin when the recording does, so that a sample's index is the time that the bot tells. Sound that is missing
(muted, away, lost with the connection) is a pause. Where each participant's sound comes by itself, that of the whole
room is not heard as well: every word would come twice.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum, auto

import structlog

from media.meeting_sound import MeetingSound
from protocol.blocks import SAMPLE_RATE_HZ, Block, seconds
from protocol.errors import EarshotError, Overloaded, StoreUnavailable, TooLarge
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.states import TranscriptState
from protocol.wire.bot_items import Acted, Began, Head, Item, Moment, Picture, ProviderData, Sound, Told
from server.bots.completion import complete
from server.bots.journal_behind import JournalBehind
from server.bots.meeting_tracks import MIXED, is_of_room, is_told, name_of
from server.bots.outage import Outage
from server.bots.participant_acts import ParticipantActs
from server.bots.provider_log import ProviderLog
from server.bots.recording_clock import RecordingClock
from server.bots.sound_parts import SoundParts
from server.bots.told_participants import ToldParticipants
from server.bots.told_words import ToldWords
from server.bots.video_parts import VideoParts
from server.hub import Hub
from server.journal import Journal
from server.live import LiveSession, SourceOptions
from server.resume import ResumeTokens
from server.settings import Settings
from server.speakers import Speakers
from server.store.records import Track
from server.store.store import Store

log = structlog.get_logger(__name__)

PARTICIPANTS_MAX = 100
IDLE_S = 1.0  # who sent nothing for so long says nothing: what is held back is given, and made final
AHEAD_S = 30.0  # a bot that sends faster than time goes is held back from here on
REFUSED_S = 5.0  # a participant for whom there was no room asks again after this
# By how much the times of pieces that belong together may be off: told to the sample, by the sender's clock, by ours.
EXACT_SAMPLES, CLOCK_SAMPLES, ARRIVAL_SAMPLES = (SAMPLE_RATE_HZ * ms // 1000 for ms in (40, 300, 500))
_QUIET = frozenset({ParticipantAction.SPEECH_OFF, ParticipantAction.LEAVE})


@dataclass(slots=True)
class _Voice:
    session: LiveSession
    sound: MeetingSound
    rate_hz: int
    participant_id: int | None
    heard_at_s: float = field(default_factory=time.monotonic)
    asked_at_s: float = field(default_factory=time.monotonic)  # for a place at the recogniser
    is_idle: bool = False
    finalizing: asyncio.Task[None] | None = None
    is_settled_again: bool = False


class _Phase(IntEnum):
    """How far a connection is over. It never goes back."""

    TAKING = auto()
    LEAVING = auto()  # what still comes is taken as fast as it comes
    OVER = auto()  # nothing more is taken
    CLOSED = auto()  # and what was inside is given


class BotStream:
    """Not for several tasks at once but for ``tick``, which may come between.

    ``began``: when the recording began, if that is known from a connection before; else ``on_began`` is told.
    ``on_ended`` is called once, when our side ends it. ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        store: Store,
        journal: Journal,
        speakers: Speakers,
        tokens: ResumeTokens,
        transcript_id: str,
        *,
        began: Began | None = None,
        on_began: Callable[[Began], Awaitable[None]],
        on_ended: Callable[[EarshotError | None], None] = lambda error: None,
        language: str | None = None,
        is_paused: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._store = store
        self._tokens = tokens
        self._transcript_id = transcript_id
        self._clock = RecordingClock(began, on_began, clock)
        self._behind = JournalBehind(journal, transcript_id)
        self._acts = ParticipantActs(store, self._behind, speakers, transcript_id, self._clock, is_new=began is None)
        self._tell_ended = on_ended
        self._language = language
        self._offset_s = 0.0  # of sound that tells no times
        self._voices: dict[str, _Voice] = {}
        self._refused: dict[str, float] = {}  # since when there was no room for them
        self._is_separate: bool | None = None  # participants' own sound came; None: not looked yet
        self._people = ToldParticipants(store.meeting_participants, transcript_id, is_new=began is None)
        self._parts = SoundParts(store.meeting_parts, transcript_id)
        self._video = VideoParts(settings, store.meeting_parts, hub.sound.pictures, transcript_id)
        self._provided = ProviderLog(store.provider_parts, transcript_id, clock)
        self._told = ToldWords(hub, store, journal, self._behind, transcript_id, lambda: self._voices)
        self._outage = Outage(self._take, clock)
        self._is_open = False
        self._phase = _Phase.TAKING
        self._is_paused = is_paused
        self.taken = 0  # messages
        self.is_taking = False  # one, just now
        self._heard_s = math.inf  # when the sound began that was taken last
        self._left_s = -math.inf  # when it was told to leave

    async def take(self, item: Item) -> None:
        """Raises ``AudioFormatError``, ``TooLarge`` and ``Overloaded`` for what is not taken, and then takes nothing of
        it; and what else ``Hub.attach`` raises, which is of the whole transcript. While the store is away, what needs
        it waits (see ``outage``)."""
        if self._phase >= _Phase.OVER:
            return
        self.taken += 1
        self.is_taking = True
        try:
            await self._outage.take(item)
        finally:
            self.is_taking = False

    async def _take(self, item: Item) -> None:
        """What needs the store comes first, so that all of it may be done again."""
        if _is_recorded(item) and await self._is_held(item):
            return
        if isinstance(item, Sound | Picture | Acted) and item.participant is not None:
            await self._people.told(item.participant)
        if isinstance(item, Acted | Told | Picture):
            await self._open()
        match item:
            case Head():
                self._offset_s = item.offset_s
            case Sound():
                await self._hear(item)
            case Acted():
                await self._note(item)
            case Told():
                await self._tell(item)
            case Picture():
                await self._video.take(item, await self._clock.relative_s(item.moment))
            case ProviderData():
                at_s = await self._clock.relative_s(Moment())
                await self._provided.take("transcript.provider_data", item.payload, item.participant, at_s)

    async def _is_held(self, item: Item) -> bool:
        """Paused by its bot; or by a reader of the transcript, for whom its tracks leave out the sound themselves."""
        if self._is_paused or isinstance(item, Sound):
            return self._is_paused
        if isinstance(item, Picture):  # of which there are many
            return bool(self._voices) and all(voice.session.paused for voice in self._voices.values())
        return (await self._store.get_transcript(self._transcript_id)).state is TranscriptState.PAUSED

    async def _open(self) -> None:
        """Without sound, too, it is a recording that goes on, for as long as the bot is there."""
        if not self._is_open and self._transcript_id in self._hub.kept_open:
            await self._hub.settle(self._transcript_id)
            self._is_open = True

    def tick(self) -> None:
        """To be called about twice a second: whoever fell silent gets the words of what they said."""
        now_s = time.monotonic()
        self._parts.tick()
        self._video.tick()
        self._provided.tick()
        self._people.tick()
        for voice in self._voices.values():
            if not voice.is_idle and now_s - voice.heard_at_s >= IDLE_S:
                self._settle(voice)

    async def stop(self) -> None:
        """The meeting is over, also for those that spoke by a connection before: returns when all words are told."""
        await self._quieten(is_over=True)
        await complete(self._hub, self._store, self._transcript_id)
        await asyncio.gather(*(voice.session.stop() for voice in self._voices.values()), self._video.sent())

    async def lost(self, reason: str) -> None:
        """The connection is gone, and may come back. Idempotent."""
        if self._phase < _Phase.CLOSED:
            await self._quieten(is_over=False)
            for voice in self._voices.values():
                voice.session.lost(self.over, reason)
            await self._video.sent()

    async def finish(self) -> None:
        """After it is over: what is known of what came is stored, if the store was away, when it is back."""
        behind = (self._people, self._parts, self._video, self._provided)
        await asyncio.gather(*(each.finish() for each in behind))

    def end(self) -> None:
        """Its bot leaves: whoever runs the connection is told to ``stop`` when nothing more comes, which is taken as
        fast as it comes."""
        if self._phase < _Phase.LEAVING and self._clock.has_begun:
            self._left_s = self._clock.now_s()
        self._phase = max(self._phase, _Phase.LEAVING)
        self._tell_ended(None)

    @property
    def is_behind(self) -> bool:
        """What is taken was said before it left."""
        return self._heard_s < self._left_s

    def pause(self, *, paused: bool) -> None:
        """What is said, shown and written meanwhile is not recorded; who comes and goes is."""
        self._is_paused = paused
        if paused:
            self._video.pause()
        for voice in self._voices.values():
            if paused and not voice.is_idle:
                self._settle(voice)

    async def _quieten(self, *, is_over: bool) -> None:
        with suppress(EarshotError):  # nobody is there any more to be told
            await self._outage.close()
        self._phase = _Phase.CLOSED
        for voice in self._voices.values():
            self._give(voice, voice.sound.flush())
        finalizing = [voice.finalizing for voice in self._voices.values() if voice.finalizing is not None]
        for task in finalizing:
            task.cancel()
        await asyncio.gather(*finalizing, return_exceptions=True)
        self._told.close()
        await self._behind.close()
        await self._parts.close()
        await self._video.close(is_over=is_over)
        await self._provided.close()
        await self._people.close()

    # Sound.

    async def _hear(self, sound: Sound) -> None:
        length_s = len(sound.pcm) / 2 / sound.rate_hz
        start_s = await self._clock.relative_s(sound.moment, before_s=length_s, offset_s=self._offset_s)
        self._heard_s = start_s
        now_samples = round(self._clock.now_s() * SAMPLE_RATE_HZ)  # before a track is opened, which takes its time
        name = name_of(None if sound.participant is None else sound.participant.id)
        if name == MIXED and await self._is_separate_sound():
            return
        voice = self._voices.get(name)
        if voice is None:
            voice = await self._begin(name, sound)
        elif not voice.session.takes_place:
            await self._place(voice)
        if sound.participant is not None:
            await self._name(sound.participant)
        if voice.rate_hz != sound.rate_hz:
            self._give(voice, voice.sound.flush())
            voice.sound, voice.rate_hz = self._placed(voice.session, sound), sound.rate_hz
        if sound.moment == Moment():
            self._give(voice, voice.sound.arrived(sound.pcm, now_samples))
        else:
            self._give(voice, voice.sound.feed(round(start_s * SAMPLE_RATE_HZ), sound.pcm, now_samples=now_samples))
        voice.heard_at_s, voice.is_idle = time.monotonic(), False
        if (hold_s := min(length_s, self._early_s(voice))) > 0:
            await asyncio.sleep(hold_s)

    async def _is_separate_sound(self) -> bool:
        """Whether any participant's own came, by this connection or one before."""
        if self._is_separate is None:
            tracks = await self._store.tracks_of(self._transcript_id)
            self._is_separate = not all(is_told(track) or is_of_room(track) for track in tracks)
        return self._is_separate

    def _early_s(self, voice: _Voice) -> float:
        """By how much it is too early; of who leaves nothing is."""
        ahead_s = voice.sound.end_samples / SAMPLE_RATE_HZ - self._clock.now_s()
        return 0.0 if self._phase >= _Phase.LEAVING else max(0.0, ahead_s - AHEAD_S)

    def _give(self, voice: _Voice, blocks: list[Block]) -> None:
        for block in blocks:
            if voice.participant_id is not None:
                self._parts.heard(voice.participant_id, block)
            try:
                voice.session.feed(block)
            except StoreUnavailable as error:  # the disk takes nothing: another connection may do better
                self.over(error)

    async def _begin(self, name: str, sound: Sound) -> _Voice:
        """A track for it, or the one that it had before the connection was lost."""
        if name != MIXED and (mixed := self._voices.pop(MIXED, None)) is not None:
            self._give(mixed, mixed.sound.flush())
            await mixed.session.stop()
        if len(self._voices) >= PARTICIPANTS_MAX:
            raise TooLarge(f"a meeting may have {PARTICIPANTS_MAX} participants that speak")
        await self._parts.look()
        tracks = await self._store.tracks_of(self._transcript_id)
        before = next((track for track in tracks if track.name == name), None)
        token = None if before is None else self._tokens.make(self._transcript_id, before.id)
        options = SourceOptions(track=name, source="bot", started_at=self._clock.began_at, language=self._language)
        session = await self._attached(name, options, token)
        session.attach(self.over)
        participant_id = None if sound.participant is None else sound.participant.id
        if participant_id is not None:
            offset_s = session.track.started_at - self._clock.began_at
            self._parts.resume(participant_id, offset_s + seconds(session.pipeline.length_samples))
        self._voices[name] = _Voice(session, self._placed(session, sound), sound.rate_hz, participant_id)
        self._is_separate = self._is_separate or name != MIXED
        return self._voices[name]

    async def _attached(self, name: str, options: SourceOptions, token: str | None) -> LiveSession:
        """Where there is no room for one more, the others go on, and it is not asked for at every piece."""
        if time.monotonic() - self._refused.get(name, -math.inf) < REFUSED_S:
            raise Overloaded("there is no room for one more participant as yet")
        try:
            session = await self._hub.attach(self._transcript_id, options, resume_token=token)
        except Overloaded:
            if len(self._refused) >= PARTICIPANTS_MAX:
                self._refused.clear()  # whoever makes up participants is refused each time anew
            self._refused[name] = time.monotonic()
            raise
        self._refused.pop(name, None)
        return session

    async def _place(self, voice: _Voice) -> None:
        """Who was silent asks for a place again; who has none, now and then."""
        now_s = time.monotonic()
        if voice.is_idle or now_s - voice.asked_at_s >= REFUSED_S:
            voice.asked_at_s = now_s
            await self._hub.places.ask_again(voice.session)

    def _placed(self, session: LiveSession, sound: Sound) -> MeetingSound:
        exact = sound.moment.relative_s is not None
        tolerance_samples = EXACT_SAMPLES if exact else ARRIVAL_SAMPLES if sound.moment == Moment() else CLOCK_SAMPLES
        length_samples = session.pipeline.length_samples
        return MeetingSound(sound.rate_hz, tolerance_samples=tolerance_samples, length_samples=length_samples)

    def _settle(self, voice: _Voice) -> None:
        voice.is_idle = True
        self._give(voice, voice.sound.flush())
        if voice.finalizing is not None and not voice.finalizing.done():
            voice.is_settled_again = True  # who gets their words late may be settled many times until then
            return
        voice.finalizing = asyncio.create_task(self._finalize(voice), name=f"finalize {voice.session.session_id}")

    async def _finalize(self, voice: _Voice) -> None:
        with suppress(EarshotError):  # it is over: its end makes finals of everything
            await voice.session.pipeline.finalize()
            while voice.is_settled_again:
                voice.is_settled_again = False
                await voice.session.pipeline.finalize()

    def over(self, error: EarshotError | None) -> None:
        """Our side ends it, or one of its sessions: the whole connection is over, and nothing more is taken."""
        if self._phase < _Phase.OVER:
            self._phase = _Phase.OVER
            self._tell_ended(error)

    # Words of other recognisers.

    async def _tell(self, told: Told) -> None:
        if not told.words:
            return
        ends_s = max(word.start_s if word.end_s is None else word.end_s for word in told.words)
        await self._clock.relative_s(Moment(ends_s))
        track = await self._told.take(told, self._clock.began_at)
        if track is not None and told.participant is not None:
            await self._people.told(told.participant)
            await self._name(told.participant, track)
        if not told.is_partial:
            who = None if told.is_voice else told.participant
            await self._provided.take("transcript.data", told.payload, who, told.words[0].start_s)

    # What participants do.

    async def _note(self, acted: Acted) -> None:
        relative_s = await self._acts.new(acted)
        if relative_s is None:
            return
        await self._video.acted(acted.action, acted.participant.id, relative_s)
        await self._name(acted.participant)
        await self._acts.note(acted, relative_s)
        voice = self._voices.get(name_of(acted.participant.id))
        if voice is not None and acted.action in _QUIET:
            self._settle(voice)

    async def _name(self, participant: MeetingParticipant, told: Track | None = None) -> None:
        voice = self._voices.get(name_of(participant.id))
        await self._acts.name(participant, told if voice is None else voice.session.track)


def _is_recorded(item: Item) -> bool:
    """What a pause leaves out."""
    return not isinstance(item, Head | Acted) or (
        isinstance(item, Acted) and item.action is ParticipantAction.CHAT_MESSAGE
    )
