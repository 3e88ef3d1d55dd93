"""Who spoke, said anew by all that was heard: while a transcript grows, when it ends, and when somebody asks.

What is told live is guessed from little. A pass loads all voice prints of a track, groups them anew in a thread, and
tells whose segments are another's than was said: as people's corrections are told, by events that relabel them, or by
cuts. Text never changes, and old versions are kept. What a person said of a segment stays, and tells the pass whose
voice is whose; voices that people gave different names stay two.

A pass writes first what it found and then what follows from it, and marks the track last: one that was cut short is
made again, finds the same, and tells what is left to tell. None fails a transcript.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import structlog

from asr.speakers.contract import SPEAKERS_MAX, KnownVoice, SpeakerOptions
from asr.voice_prints import packed_mean
from asr.wire import HeardVoice
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import Conflict, EarshotError, HeldElsewhere, NotFound, Overloaded
from protocol.states import OVER
from server.hub import Hub
from server.journal import Journal
from server.known_labels import behind_the_first, known_labels, numbers_by_label
from server.live import LiveSession
from server.nodes.duties import Duties
from server.nodes.holding import Holding
from server.recognition import Recognition
from server.regrouping import Regrouped, Said, regroup
from server.rounds import repeat
from server.segment_pages import segment_pages
from server.segment_turns import again_one, all_runs, most, pieces_of, told_of, turns_of, unheard
from server.settings import Settings
from server.spare_labels import tidied
from server.speakers import Speakers, Whole
from server.store.changes import check_unlocked
from server.store.records import StoredSegment, Track, VoicesAsked
from server.store.store import Store

log = structlog.get_logger(__name__)

LOOK_S = 2.0
FIRST_S = 30.0
GROWN_BY = 0.05  # so much of all speech must be new: all passes of a long recording cost but some times the last one
DUE_AT_ONCE = 20
DUE_S = 600.0
AGAIN_S = 60.0  # between two tries of what the store did not take
WRITTEN_AT_ONCE = 500  # finals whose prints are changed in one transaction
ASKED_MAX = 8  # that wait for the pass they asked for: it is one at a time, and others' recordings end meanwhile
LIVE_NUMBERS = 100  # the recogniser of a track that is live gives fewer new numbers than this; ours come after them


@dataclass(frozen=True, slots=True)
class Relabelled:
    """What a pass changed: ``segments``, of which ``split`` were cut; ``voices`` is how many speak."""

    voices: int = 0
    segments: int = 0
    split: int = 0

    def __add__(self, other: Relabelled) -> Relabelled:
        return Relabelled(self.voices + other.voices, self.segments + other.segments, self.split + other.split)


def wanted_samples(heard_samples: int, interval_s: float) -> float:
    """So much new speech is worth a pass where so much was heard: little at first, when what is told is most often
    wrong."""
    at_first = max(FIRST_S * SAMPLE_RATE_HZ, heard_samples / 2)
    return max(min(interval_s * SAMPLE_RATE_HZ, at_first), GROWN_BY * heard_samples)


class Relabelling:
    """One for a node; one pass at a time. ``before_end`` is the hub's."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        journal: Journal,
        hub: Hub,
        speakers: Speakers,
        recognition: Recognition,
        holding: Holding,
        duties: Duties,
    ) -> None:
        self._interval_s = settings.relabel_interval_s
        self._deadline_s = settings.relabel_deadline_s
        self._store = store
        self._journal = journal
        self._hub = hub
        self._speakers = speakers
        self._voices = hub.voices
        self._recognition = recognition
        self._holding = holding
        self._duties = duties
        self._turn = asyncio.Lock()
        self._failed: set[str] = set()  # transcripts whose pass would fail again, until the next start
        self._again: set[str] = set()  # those whose pass the store did not take
        self._again_at_s = 0.0
        self._looks_at_s = 0.0  # for those that ended without a pass: their node is gone
        self._is_stopped = False
        self._asked = 0  # passes that somebody waits for
        self._passes: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(repeat(self.make_due, every_s=LOOK_S, name="relabelling"), name="relabelling")

    async def stop(self) -> None:
        """What is cut short is made at the next start."""
        self._is_stopped = True
        tasks = [task for task in (self._task, *self._passes) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def before_end(self, transcript_id: str) -> None:
        """The last pass over a transcript whose sessions are over; goes on by itself after the deadline."""
        if self._is_stopped:
            return
        task = asyncio.create_task(self._try(transcript_id, last=True), name=f"relabel {transcript_id}")
        self._passes.add(task)
        task.add_done_callback(self._passes.discard)
        await asyncio.wait({task}, timeout=self._deadline_s)

    async def make_due(self) -> None:
        """What has grown enough, and what ended and had no pass yet."""
        for transcript_id in self._grown():
            await self._try(transcript_id, last=False)
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._looks_at_s and await self._duties.mine("voices"):
            await self._make_left()
            self._looks_at_s = now_s + DUE_S
        if self._again and now_s >= self._again_at_s:
            self._again_at_s = now_s + AGAIN_S
            again, self._again = self._again, set()
            for transcript_id in again:
                await self._try(transcript_id, last=True)

    async def _make_left(self) -> None:
        """What ended and had no pass, of any node that is no more. What others hold, they come to."""
        tried: set[str] = set()
        while due := await self._store.voices.due(
            limit=DUE_AT_ONCE, without=sorted(self._failed | self._again | tried), node_id=self._holding.node_id
        ):
            for transcript_id in due:
                await self._try(transcript_id, last=True)
            tried.update(due)

    def _grown(self) -> list[str]:
        grown = []
        for session in self._hub.sessions.values():
            prints = session.pipeline.prints
            if prints is None or session.transcript_id in self._failed:
                continue
            wanted = 1 if prints.hurries else wanted_samples(prints.heard_samples, self._interval_s)
            if prints.ungrouped_samples >= wanted:
                grown.append(session.transcript_id)
        return list(dict.fromkeys(grown))

    async def _try(self, transcript_id: str, *, last: bool) -> None:
        try:
            await self._pass(transcript_id, last=last)
        except (NotFound, HeldElsewhere):
            pass  # deleted meanwhile, or its holder comes to that
        except EarshotError as error:
            log.warning("who spoke is not said anew", transcript=transcript_id, code=error.code)
            if error.retryable:
                self._again.add(transcript_id)
            else:
                self._failed.add(transcript_id)  # it is locked, or the like
        except Exception:
            # Nobody foresaw it, so it would happen again; the transcript has what was told live.
            log.exception("who spoke is not said anew", transcript=transcript_id)
            self._failed.add(transcript_id)

    def hurry(self, transcript_id: str) -> None:
        """Somebody said who spoke: what is being said there is to go by it soon."""
        for session in self._hub.sessions.values():
            if session.transcript_id == transcript_id and session.pipeline.prints is not None:
                session.pipeline.prints.hurries = True

    async def relabel(
        self, transcript_id: str, *, speakers_expected: int | None = None, max_speakers: int | None = None
    ) -> Relabelled:
        """Now, and later passes by what is known now of how many speak. Raises ``NotFound``, ``Conflict`` (locked, no
        voices are told apart in it, or what they were known by went with its sound), ``Overloaded``,
        ``StoreUnavailable``, ``HeldElsewhere``."""
        transcript = await self._store.get_transcript(transcript_id)
        check_unlocked(transcript)
        if self._asked >= ASKED_MAX:
            raise Overloaded("others wait for who spoke to be said anew; try again later", retry_after_s=10)
        self._asked += 1
        try:
            asked = VoicesAsked(True, speakers_expected, max_speakers)
            done = await self._pass(transcript_id, last=True, asked=asked)
        finally:
            self._asked -= 1
        if done is None and transcript.state not in OVER:
            raise Conflict("no voices have been told apart in this yet; ask again when more of it was heard")
        if done is None:
            raise Conflict("no voices were told apart in this, or what they were known by is gone")
        self._failed.discard(transcript_id)
        return done

    async def _pass(self, transcript_id: str, *, last: bool, asked: VoicesAsked | None = None) -> Relabelled | None:
        """None where there is nothing to group. ``last``: all that are expected have spoken by now."""
        done: Relabelled | None = None
        if not await self._due_tracks(transcript_id, anyway=asked is not None):
            return None  # without waiting for others' turns
        await self._recognition.settled(transcript_id)
        # Nobody speaks into it elsewhere, or says it anew as well.
        async with self._turn, self._holding.kept(transcript_id, self._hub.lock_of(transcript_id)):
            # As they are now: the pass before may have had them all, or been told how many speak.
            for track in await self._due_tracks(transcript_id, anyway=asked is not None):
                if asked is not None:
                    expected, most = asked.speakers_expected, asked.max_speakers
                    await self._store.voices.ask(track.id, speakers_expected=expected, max_speakers=most)
                    track = replace(track, speakers_expected=expected, max_speakers=most)
                async with self._speakers.alone(transcript_id):
                    found = await self._pass_track(track, last=last)
                if found is not None:
                    await self._recognition.found(track, found.names, found.asked)
                    done = (done or Relabelled()) + found.done
                await self._mark(track, found.through_samples if found is not None else track.printed_samples)
        if done is not None and done.segments:
            log.info("who spoke is said anew", transcript=transcript_id, segments=done.segments, split=done.split)
        return done

    async def _due_tracks(self, transcript_id: str, *, anyway: bool) -> list[Track]:
        """Those with prints that no pass has had; ``anyway``: with any."""
        return [
            track
            for track in await self._store.tracks_of(transcript_id)
            if track.printed_samples > (0 if anyway else track.grouped_samples)
        ]

    async def _pass_track(self, track: Track, *, last: bool) -> _Passed | None:
        check_unlocked(await self._store.get_transcript(track.transcript_id))
        await self._journal.flushed()
        prints = await self._store.voices.prints_of(track.id)
        if not prints:
            return None
        segments, others = await self._segments(track)
        labels = await self._store.voices.labels_of(track.transcript_id)
        known = {voice for each in prints for _, _, voice in each.steps} | {0}
        known |= {number for of_track, number in labels if of_track == track.id}
        new = count(max(known) + 1 + (LIVE_NUMBERS if self._sessions_of(track) else 0))
        said = await self._said(track, segments, labels, new)
        asked = await self._recognition.known(track.transcript_id, prints[-1].encoder)
        options = replace(_options(track, last=last), known=asked)
        named = await self._named(track, labels)
        behind = None if self._is_live(track) else await behind_the_first(self._store, track, segments, labels, others)
        ones = list(numbers_by_label(track, labels).values())
        found = await asyncio.to_thread(
            regroup, prints, said, options, named=named, ones=ones, taken=next(new), behind=behind
        )
        changed = list(found.changed.items())
        for at in range(0, len(changed), WRITTEN_AT_ONCE):
            await self._store.voices.regroup(track, dict(changed[at : at + WRITTEN_AT_ONCE]))
        self._tell_recogniser(track, found, prints[-1].encoder)
        done = await self._follow(track, segments, found, others=others)
        return _Passed(done, prints[-1].end_samples, await self._recognised(track, found), asked)

    def _tell_recogniser(self, track: Track, found: Regrouped, encoder: str) -> None:
        """Whoever hears the track goes on with the voices that were found."""
        voices = [
            HeardVoice(
                number=voice.speaker,
                embedding=packed_mean(voice.embedding),
                heard_samples=voice.heard_samples,
                name=voice.name,
            )
            for voice in found.voices
        ]
        for session in self._sessions_of(track):
            session.pipeline.found_voices(voices, found.gone, encoder)

    async def _recognised(self, track: Track, found: Regrouped) -> dict[int, str | None]:
        """By number, of voices with a label: as which of the enrolled ones each was recognised; of those that are
        gone, as none."""
        labels = await self._store.voices.labels_of(track.transcript_id)
        called = {0, *(number for of_track, number in labels if of_track == track.id)}
        names = {voice.speaker: voice.name for voice in found.voices} | dict.fromkeys(found.gone)
        return {number: name for number, name in names.items() if number in called}

    def _sessions_of(self, track: Track) -> list[LiveSession]:
        return [session for session in self._hub.sessions.values() if session.track.id == track.id]

    async def _named(self, track: Track, labels: Mapping[tuple[str, int], str]) -> list[int]:
        """Voices of the track that people call by different names, so that they are different ones."""
        numbers = numbers_by_label(track, labels)
        found: dict[str, list[int]] = {}
        for each in await self._store.participants_of(track.transcript_id):
            if each.speaker in numbers and not each.recognised:
                found.setdefault(each.name.casefold(), numbers[each.speaker])
        return sorted({number for mine in found.values() for number in mine})

    async def _said(
        self, track: Track, segments: Sequence[StoredSegment], labels: Mapping[tuple[str, int], str], new: Iterator[int]
    ) -> list[Said]:
        """What people gave away. Whom they gave it to has a voice on this track from now on."""
        numbers = _numbers(track, labels)
        called = {number: label for (of_track, number), label in labels.items() if of_track == track.id}
        called |= {} if track.speaker is None else {0: track.speaker}
        said = []
        for segment in (stored.segment for stored in segments):
            if not segment.speaker_set or segment.label is None:
                continue
            if segment.label not in numbers:
                numbers[segment.label] = next(new)
                await self._voices.call(track, numbers[segment.label], segment.label)
            mine = numbers[segment.label]
            taken_from = None if segment.taken_from is None else numbers.get(called.get(segment.taken_from, ""))
            apart = taken_from if taken_from != mine else None  # people made them one since
            said.append(Said(segment.start_samples, segment.end_samples, mine, apart))
        return said

    async def _follow(
        self, track: Track, segments: Sequence[StoredSegment], found: Regrouped, *, others: Collection[str]
    ) -> Relabelled:
        """Tell what the steps say of the segments that no person gave away. ``others``: labels on other tracks."""
        guessed = [stored for stored in segments if not stored.segment.speaker_set]
        said = await asyncio.to_thread(all_runs, guessed, found.steps)
        labels = await self._voices.labels(track, {run.voice for each in said for run in each})
        turns = [turns_of(each, labels) for each in said]
        heard = {turn.label for each in turns for turn in each}
        heard |= {stored.segment.label or "" for stored, each in zip(guessed, turns, strict=True) if not each}
        renamed = await self._tidy(track, segments, heard, others)
        names = await self._speakers.names(track.transcript_id)
        runs = {stored.segment.segment_id: each for stored, each in zip(guessed, said, strict=True)}
        new_labels = {voice: renamed.get(label or "", label) for voice, label in labels.items()}
        again = await asyncio.to_thread(again_one, segments, runs, found.steps, new_labels)
        for one in again:
            await self._journal.append_all(track.transcript_id, one.told(names))
        one_again = {piece.segment.segment_id for one in again for piece in one.pieces}
        whole: list[Whole] = []
        split = 0
        for stored, each in zip(guessed, turns, strict=True):
            if stored.segment.segment_id in one_again:
                continue
            mine = [replace(turn, label=renamed.get(turn.label, turn.label)) for turn in each]
            pieces = pieces_of(stored.segment, mine) if len(mine) > 1 else None
            if pieces is not None:
                split += 1
                await self._journal.append_all(track.transcript_id, [told_of(stored, *each, names) for each in pieces])
            elif (turn := most(mine) or unheard(stored.segment, renamed)) is not None:
                before = stored.segment.label, stored.segment.speaker
                if before != (turn.label, names.get(turn.label, turn.label)):
                    whole.append(Whole(stored, turn.label, turn.voice, False, turn.confidence))
        await self._speakers.tell(track.transcript_id, whole, names)
        return Relabelled(len({*labels.values()}), len(whole) + split + len(one_again), split)

    async def _tidy(
        self, track: Track, segments: Sequence[StoredSegment], heard: Collection[str], others: Collection[str]
    ) -> Mapping[str, str]:
        """Once nobody is heard any more: the new label of each that moves up into a gap."""
        if self._is_live(track):
            return {}
        labels = await self._store.voices.labels_of(track.transcript_id)
        kept = {*others, *await known_labels(self._store, track, segments, labels), track.speaker or ""}
        mine = {number: label for (of_track, number), label in labels.items() if of_track == track.id}
        tidy = tidied(mine, heard=heard, kept=kept)
        await self._voices.tidy(track, tidy.forgotten, tidy.renamed)
        return tidy.renamed

    def _is_live(self, track: Track) -> bool:
        return any(session.transcript_id == track.transcript_id for session in self._hub.sessions.values())

    async def _mark(self, track: Track, through_samples: int) -> None:
        await self._store.voices.grouped(track.id, through_samples)
        for session in self._sessions_of(track):
            if session.pipeline.prints is not None:
                session.pipeline.prints.grouped()

    async def _segments(self, track: Track) -> tuple[list[StoredSegment], set[str]]:
        """Those of the track, and the labels on all others."""
        mine: list[StoredSegment] = []
        others: set[str] = set()
        async for page in segment_pages(self._store, track.transcript_id):
            for stored in page:
                if stored.segment.track != track.id:
                    others.add(stored.segment.label or "")
                else:
                    mine.append(stored)
        return mine, others


@dataclass(frozen=True, slots=True)
class _Passed:
    """A pass over one track, and as which of the enrolled voices, if any, it recognised each number."""

    done: Relabelled
    through_samples: int
    names: Mapping[int, str | None]
    asked: Sequence[KnownVoice]


def _numbers(track: Track, labels: Mapping[tuple[str, int], str]) -> dict[str, int]:
    """By label: the lowest number of a voice of the track that is called so."""
    return {label: numbers[0] for label, numbers in numbers_by_label(track, labels).items()}


def _options(track: Track, *, last: bool) -> SpeakerOptions:
    """Before the ``last`` pass not all who are expected need have spoken."""
    options = SpeakerOptions(expected=track.speakers_expected, most=track.max_speakers or SPEAKERS_MAX)
    return options if last else SpeakerOptions(most=options.limit)
