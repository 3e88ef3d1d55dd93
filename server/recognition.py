"""Voices that a host has enrolled, found again: their labels get the enrolled names, as if somebody had named them.

What is told live is told by the recogniser, of one voice; what a pass finds, of all voices of a track, and it takes
back what was recognised wrongly. A name that people gave, changed or took away is never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from asr.speakers.contract import KnownVoice
from asr.voice_prints import mean_of
from protocol.errors import EarshotError, NotFound
from server.settings import Settings
from server.speakers import Speakers
from server.store.enrolled_store import EnrolledVoice
from server.store.records import Participant, Track
from server.store.store import Store
from server.voices import Voices

log = structlog.get_logger(__name__)


class Recognition:
    """One for a node. ``heard`` is the hub's to call."""

    def __init__(self, settings: Settings, store: Store, speakers: Speakers, voices: Voices) -> None:
        self._of_nobody = of_nobody(settings)
        self._store = store
        self._speakers = speakers
        self._voices = voices
        self._tasks: dict[asyncio.Task[None], str] = {}  # and of which transcript each is

    async def stop(self) -> None:
        """What is cut short is found by the next pass."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def heard(self, track: Track, number: int, voice_id: str) -> None:
        """A voice was recognised while it is heard; words do not wait for its name."""
        task = asyncio.create_task(self._try(track, {number: voice_id}), name=f"recognise {track.id}")
        self._tasks[task] = track.transcript_id
        task.add_done_callback(self._tasks.pop)

    async def settled(self, transcript_id: str) -> None:
        """Nothing that was heard in it is still to be told."""
        if due := [task for task, of in self._tasks.items() if of == transcript_id]:
            await asyncio.wait(due)

    async def known(self, transcript_id: str, encoder: str) -> tuple[KnownVoice, ...]:
        """What a pass compares with. They go by their ids: two may have one name, and a name may change meanwhile."""
        enrolled = await self._store.voices.enrolled.known_in(transcript_id, of_nobody=self._of_nobody)
        return tuple(KnownVoice(each.id, mean_of(each.embedding)) for each in enrolled if each.encoder == encoder)

    async def found(self, track: Track, names: Mapping[int, str | None], asked: Sequence[KnownVoice]) -> None:
        """By number, as which of ``asked`` a pass recognised each voice of a track. Raises as ``Speakers`` does."""
        if asked:
            await self._tell(track, names, {each.name for each in asked})

    async def _try(self, track: Track, names: Mapping[int, str | None]) -> None:
        try:
            await self._tell(track, names, set())
        except NotFound:
            pass  # deleted meanwhile
        except EarshotError as error:
            log.warning("a recognised voice is not named", track=track.id, code=error.code)

    async def _tell(self, track: Track, names: Mapping[int, str | None], asked: set[str]) -> None:
        transcript_id = track.transcript_id
        enrolled = await self._store.voices.enrolled.known_in(transcript_id, of_nobody=self._of_nobody)
        there = {each.id: each for each in enrolled}
        labels = await self._voices.labels(track, names)
        found: dict[str, str | None] = {}
        for number, label in labels.items():
            # A label of several numbers is one that people made one of several voices.
            if label is not None:
                name = names[number]
                found[label] = found.get(label) or (name if name in there else None)
        before = await self._store.voices.enrolled.recognised_in(transcript_id)
        taken = await self._store.participants_of(transcript_id)
        wanted = {label: there[name] for label, name in found.items() if name is not None}
        wanted = {label: voice for label, voice in wanted.items() if _is_new(label, voice, before, taken)}
        wrong = {label for label, name in found.items() if name is None and before.get(label) in asked & there.keys()}
        if not wanted and not wrong:
            return
        async with (
            self._speakers.renaming(transcript_id),
            self._store.changing_participants(transcript_id) as changes,
        ):
            for label in wrong:
                await changes.unrecognise(label)
            for label, voice in wanted.items():
                await changes.recognise(label, voice.id, voice.name)
        log.info("voices recognised", transcript=transcript_id, voices=len(wanted), wrong=len(wrong))


def of_nobody(settings: Settings) -> bool:
    """Whether all that nobody owns is of one and the same: where people sign in, it is of many who do not."""
    return settings.auth_mode == "none"


def _is_new(label: str, voice: EnrolledVoice, before: Mapping[str, str], taken: Sequence[Participant]) -> bool:
    """Whether there is something to change; the transaction looks once more."""
    whose = next((each for each in taken if each.speaker == label), None)
    if whose is None:
        return label not in before
    return whose.recognised and before.get(label) != voice.id
