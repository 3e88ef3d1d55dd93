"""Words that other recognisers made of a meeting: those of whoever's sound never comes are the transcript's.

They stand on tracks without sound. Of whoever's own sound is heard here, or whose words are in the sound of the whole
room, our own recogniser's words count, and these are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest

from asr.segments import join_words
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import TooLarge
from protocol.events import Interim, SpeakerTurn, Transcribed
from protocol.ids import new_segment_id
from protocol.wire.bot_items import Told, ToldWord
from protocol.words import Segment, Word
from server.bots.journal_behind import JournalBehind
from server.bots.meeting_tracks import MIXED, is_told, name_of, told_name_of
from server.hub import Hub
from server.journal import Journal
from server.live import SourceOptions
from server.recorders import new_track
from server.segment_pages import segment_pages
from server.store.records import Track
from server.store.store import Store

LAST_WORD_MAX_S = 0.5  # of a word whose end nobody tells
SEGMENTS_MAX = 20_000  # of one recording
SEGMENT_MAX_CHARS = 4_000
TRACKS_MAX = 100
_Known = tuple[str, int, str]  # a track, where a segment begins, its text


class ToldWords:
    """Of one connection, for one task. ``speaking``: on which tracks, by their names, sound came by it."""

    def __init__(
        self,
        hub: Hub,
        store: Store,
        journal: Journal,
        behind: JournalBehind,
        transcript_id: str,
        speaking: Callable[[], Iterable[str]],
    ) -> None:
        self._hub = hub
        self._store = store
        self._journal = journal
        self._behind = behind
        self._transcript_id = transcript_id
        self._speaking = speaking
        self._tracks: dict[str, Track] | None = None  # by name; None: not looked at yet
        self._known: set[_Known] = set()
        self._open: dict[str, Interim] = {}  # what is not final yet, by track
        self._final_samples: dict[str, int] = {}  # up to where a track's words are final

    async def take(self, told: Told, began_at: float) -> Track | None:
        """The track where it was taken: as final words, or as some that may change. None: it is known, or it is heard.

        Raises ``TooLarge``.
        """
        words = words_of(told.words)
        tracks = await self._known_tracks()
        name = told_name_of(None if told.participant is None else told.participant.id)
        if not words or self._is_heard(tracks, told):
            self._withdraw(name)
            return None
        text = join_words(words, told.language)
        if len(text) > SEGMENT_MAX_CHARS:
            raise TooLarge(f"a piece of words that others made has at most {SEGMENT_MAX_CHARS} characters")
        track = tracks.get(name)
        if track is None:
            if sum(map(is_told, tracks.values())) >= TRACKS_MAX:
                raise TooLarge(f"words of {TRACKS_MAX} participants are taken from others")
            track = tracks[name] = await self._new_track(name, began_at)
        known: _Known = (track.id, words[0].start_samples, text)
        is_late = told.is_partial and words[0].start_samples < self._final_samples.get(name, 0)
        if known in self._known or is_late:
            return None
        before = self._open.get(name)
        segment = Segment(
            segment_id=new_segment_id() if before is None else before.segment.segment_id,
            track=track.id,
            text=text,
            start_samples=words[0].start_samples,
            end_samples=words[-1].end_samples,
            is_final=not told.is_partial,
            words=words,
            language=told.language,
        )
        if told.is_partial:
            self._show(name, track, segment)
        else:
            await self._tell(name, track, segment)
            self._known.add(known)
            self._final_samples[name] = max(self._final_samples.get(name, 0), segment.end_samples)
        return track

    def close(self) -> None:
        """What is not final is taken back: nothing more is to come of it."""
        for name in list(self._open):
            self._withdraw(name)

    def _withdraw(self, name: str) -> None:
        if (interim := self._open.pop(name, None)) is not None:
            empty = interim.segment.model_copy(update={"text": "", "words": ()})
            self._journal.tell(interim.model_copy(update={"segment": empty}))

    def _is_heard(self, tracks: dict[str, Track], told: Told) -> bool:
        """By this connection or one before. A voice that nobody knows may be in anybody's sound."""
        sounding = {*self._speaking(), *(name for name, track in tracks.items() if not is_told(track))}
        if sounding - {MIXED}:
            sounding.discard(MIXED)  # since participants come by themselves, the room is not heard as well
        if told.participant is None or told.is_voice:
            return bool(sounding)
        return not sounding.isdisjoint((MIXED, name_of(told.participant.id)))

    async def _known_tracks(self) -> dict[str, Track]:
        if self._tracks is None:
            found = await self._store.tracks_of(self._transcript_id)
            told = {track.id for track in found if is_told(track)}
            if told:  # by a connection before, which may tell it again
                async for page in segment_pages(self._store, self._transcript_id):
                    for each in page:
                        if each.segment.track in told:
                            self._known.add((each.segment.track, each.segment.start_samples, each.segment.text))
            await self._hub.voices.learn(self._transcript_id)
            self._tracks = {track.name: track for track in found}
        return self._tracks

    async def _new_track(self, name: str, began_at: float) -> Track:
        options = SourceOptions(track=name, source="text", started_at=began_at)
        track = await new_track(self._store, self._transcript_id, options)
        track = await self._store.update_track(track.id, state="finished")
        await self._hub.voices.learn(self._transcript_id)
        return track

    def _show(self, name: str, track: Track, segment: Segment) -> None:
        voice = self._hub.voices.of(track)
        interim = Interim(
            transcript_id=self._transcript_id,
            segment=segment.said_by(voice.label, voice.name),
            track_started_at=track.started_at,
        )
        self._open[name] = interim
        self._journal.tell(interim)

    async def _tell(self, name: str, track: Track, segment: Segment) -> None:
        if len(self._known) >= SEGMENTS_MAX:
            raise TooLarge(f"a recording takes {SEGMENTS_MAX} pieces of words that others made")
        voices = self._hub.voices
        if voices.begins(track):
            voice = voices.of(track)
            turn = SpeakerTurn(
                speaker=voice.name or "",
                speaker_label=None if voice.label == voice.name else voice.label,
                speaker_id=track.id,
                track=track.id,
                start_samples=segment.start_samples,
                end_samples=segment.end_samples,
                track_started_at=track.started_at,
            )
            await self._behind.put(turn)
        voice = voices.of(track)  # at the moment of the append: whoever names a speaker relabels what was before
        final = Transcribed(segment=segment.said_by(voice.label, voice.name), track_started_at=track.started_at)
        await self._behind.put(final)
        self._open.pop(name, None)


def words_of(told: Sequence[ToldWord]) -> tuple[Word, ...]:
    """With ends where none was told: where the next one begins, at most ``LAST_WORD_MAX_S`` later. Without empty ones,
    by their times."""
    kept = sorted((word for word in told if word.text.strip()), key=lambda word: word.start_s)
    found: list[Word] = []
    for word, following in zip_longest(kept, kept[1:]):
        guessed_s = word.start_s + LAST_WORD_MAX_S
        next_s = guessed_s if following is None else following.start_s
        end_s = min(next_s, guessed_s) if word.end_s is None else word.end_s
        start_samples = round(word.start_s * SAMPLE_RATE_HZ)
        found.append(
            Word(
                text=word.text.strip(),
                start_samples=start_samples,
                end_samples=max(start_samples, round(end_s * SAMPLE_RATE_HZ)),
            )
        )
    return tuple(found)
