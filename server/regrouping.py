"""All voice prints of one track grouped anew: whose each step of its speech is, by all that was heard, and whose each
word. Pure, but that the encoder's numbers are looked up.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np

from asr.speakers.contract import EncoderInfo, LabelledStep, SpeakerOptions, SpeechWindow, Voice
from asr.speakers.embedded import EMBEDDED
from asr.speakers.fetched import FETCHED
from asr.speakers.offline import STEPS_MAX, Told, tell
from asr.speakers.turns import turns
from asr.voice_prints import prints_of
from protocol.words import Segment
from server.store.voice_store import Step, StoredPrints

NOBODY = -1
# No encoder is loaded here; that of the tests is only where there are prints of it.
SCRIPTED, SCRIPTED_MODULE = "scripted", "asr.engines.scripted_voices"


@dataclass(frozen=True, slots=True)
class Said:
    """A stretch of speech that a person gave to the voice with this number. ``taken_from``: the one that it was told
    as, where the two are to be kept apart."""

    start_samples: int
    end_samples: int
    voice: int
    taken_from: int | None = None


@dataclass(frozen=True)
class Regrouped:
    """``steps`` in their order, none over another. ``changed``: the steps of those prints that are others' now, by
    where these begin: of each its own voice, also where a count made it one with somebody's who has a name.
    ``voices``: all that speak; ``gone``: numbers that steps had before, and that are nobody's now.
    """

    steps: Sequence[LabelledStep]
    changed: Mapping[int, Sequence[Step]]
    voices: Sequence[Voice] = ()
    gone: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Run:
    """So many words in a row of one voice."""

    voice: int
    words: int
    confidence: float


def regroup(
    prints: Sequence[StoredPrints],
    said: Sequence[Said],
    options: SpeakerOptions,
    *,
    named: Collection[int] = (),
    ones: Sequence[Collection[int]] = (),
    taken: int,
    behind: Sequence[int] | None = None,
) -> Regrouped:
    """Those of the encoder that the last are of, ``STEPS_MAX`` steps of them at most; what came before stays as it is.

    ``named``: voices that people gave names; none of them vanishes in another. ``ones``: numbers that people made one
    speaker, who counts as one where it is said how many speak.
    New voices get numbers from ``taken`` on. ``behind``: where number 0 is nobody's any more, the first of these who
    speaks has it, or else the first who is new; None: nobody.
    Takes 0.3 s for ten minutes of speech, some tens of seconds for ten hours.
    Raises ``ValueError`` for prints that are none, or of an encoder that is not known.
    """
    mine = _last_of_one_encoder(prints)
    if not mine:
        return Regrouped((), {})
    steps = [step for each in mine for step in each.steps]
    embeddings = np.concatenate([prints_of(each.embeddings, each.dim) for each in mine])
    if len(embeddings) != len(steps):
        raise ValueError("as many prints as steps are wanted")
    windows = [SpeechWindow(start, end, start, end) for start, end, _ in steps]
    middles = np.array([(start + end) // 2 for start, end, _ in steps])
    fixed = np.full(len(steps), NOBODY, np.int64)
    for each in said:
        fixed[(middles >= each.start_samples) & (middles < each.end_samples)] = each.voice
    before = [voice for _, _, voice in steps]
    info = info_of(mine[-1].encoder)
    apart = {(each.taken_from, each.voice) for each in said if each.taken_from is not None}
    more = sum(max(0, len(set(numbers) & set(before)) - 1) for numbers in ones)
    one_of = {number: min(numbers) for numbers in ones for number in numbers}
    while True:
        told = tell(
            windows,
            embeddings,
            info,
            options,
            before=before,
            fixed=fixed.tolist(),
            named=named,
            apart=apart,
            taken=taken,
            more=more,
        )
        speakers = {one_of.get(voice.speaker, voice.speaker) for voice in told.voices}
        if not more or len(speakers) <= options.limit:
            break
        more -= 1
    if behind is not None and 0 not in told.own:
        told = _moved_up(told, [*behind, *sorted({*told.own} - {*before})])
    gone = frozenset(before) - {voice.speaker for voice in told.voices}
    return Regrouped(told.steps, _changed(mine, told.own), told.voices, gone)


def _moved_up(told: Told, behind: Sequence[int]) -> Told:
    """The first of ``behind`` who speaks has number 0."""
    number = next((each for each in behind if each in told.own), None)
    if number is None:
        return told
    steps = tuple(replace(step, speaker=0) if step.speaker == number else step for step in told.steps)
    voices = [replace(voice, speaker=0) if voice.speaker == number else voice for voice in told.voices]
    own = tuple(0 if each == number else each for each in told.own)
    return Told(steps, tuple(sorted(voices, key=lambda voice: voice.speaker)), own)


def info_of(encoder: str) -> EncoderInfo:
    if encoder == EMBEDDED.name:
        return EMBEDDED
    if encoder in FETCHED:
        return FETCHED[encoder].info
    if encoder != SCRIPTED:
        raise ValueError("prints of an encoder that is not known")
    info: EncoderInfo = import_module(SCRIPTED_MODULE).INFO
    return info


def runs(segment: Segment, steps: Sequence[LabelledStep]) -> list[Run]:
    """Whose the words of a segment are; none where no step is near. One run, where its words are not known, or known to
    be of one speaker."""
    first = bisect.bisect_right(steps, segment.start_samples, key=lambda step: step.end_samples)
    near = steps[first : bisect.bisect_left(steps, _end(segment), key=lambda step: step.start_samples)]
    if not near:
        return []
    if not segment.words or segment.of_one:
        shares: dict[int, int] = {}
        for step in near:
            shares[step.speaker] = shares.get(step.speaker, 0) + step.end_samples - step.start_samples
        voice = max(shares, key=lambda each: (shares[each], -each))
        sure = [step.confidence for step in near if step.speaker == voice]
        return [Run(voice, len(segment.words), sum(sure) / len(sure))]
    told = turns(segment.words, near)
    return [Run(turn.speaker, len(turn.words), turn.confidence) for turn in told if turn.speaker is not None]


def _end(segment: Segment) -> int:
    return max([segment.end_samples, *(word.end_samples for word in segment.words)])


def _last_of_one_encoder(prints: Sequence[StoredPrints]) -> list[StoredPrints]:
    mine: list[StoredPrints] = []
    count = 0
    for each in reversed(prints):
        count += len(each.steps)
        if count > STEPS_MAX:
            break
        if each.encoder == prints[-1].encoder:
            mine.append(each)
    return mine[::-1]


def _changed(prints: Sequence[StoredPrints], own: Sequence[int]) -> dict[int, Sequence[Step]]:
    changed: dict[int, Sequence[Step]] = {}
    at = 0
    for each in prints:
        now = tuple((start, end, own[at + row]) for row, (start, end, _) in enumerate(each.steps))
        at += len(each.steps)
        if now != each.steps:
            changed[each.start_samples] = now
    return changed
