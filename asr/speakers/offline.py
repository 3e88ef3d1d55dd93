"""Who spoke when, from all that was heard: the pass at the end, and every few minutes before. Pure.

    embeddings -> groups by mean cosine (asr.speakers.groups) -> those that are large are speakers, the others theirs
    whom they are most like -> the likeliest way through the steps, where a change costs something (Viterbi 1967)

What a person said of a step stays as it is: steps of one speaker are one group from the beginning, and never join those
of another. Speakers keep the numbers by which the steps were told before, as far as the steps agree. Where one that a
person gave a name would vanish in another, it is done once more, and what is surely of each that is named stays theirs.
Where a count is too low for those with names and others besides, the others join them at the very end, as they are:
whoever is named is known by their own voice still, and a later pass parts them again.
One whose words a person gave to somebody new does not vanish in that (asr.speakers.kept_apart).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asr.speakers.contract import (
    SPEAKERS_MAX,
    Embeddings,
    EncoderInfo,
    LabelledStep,
    SpeakerOptions,
    SpeechWindow,
    Voice,
)
from asr.speakers.groups import FREE, Groups, Ints, Merge, coarse, members
from asr.speakers.kept_apart import TOLD_COUNTS, parted
from asr.speakers.named_voices import absorbed, cores, joined, swallowed
from asr.speakers.path import UNKNOWN, likeliest, numbers_kept, sureness

STEPS_MAX = 90_000  # 10 hours of speech at 0.4 s
LARGE_SHARE = 0.04  # of all speech; what is smaller is more likely a mixture of two voices than a person
LARGE_LEAST_SAMPLES = 24_000
LARGE_MOST_SAMPLES = 96_000  # whoever spoke for so long is somebody
NOBODY = -2
ROUNDS_MAX = 5  # of grouping, where voices must be kept apart


@dataclass(frozen=True, slots=True)
class Told:
    """The steps in their order, and the speakers in them by number. ``own``: of each step the number to give as
    ``before`` next time; another than is told where a count alone made somebody one with a speaker who has a name."""

    steps: tuple[LabelledStep, ...]
    voices: tuple[Voice, ...]
    own: tuple[int, ...] = ()


@dataclass(eq=False)
class _Speaker:
    """``tag``: the number that a person gave, or FREE; ``name``: of the known voice it is."""

    sum: Embeddings
    tag: int
    name: str | None = None

    @property
    def centre(self) -> Embeddings:
        centre: Embeddings = self.sum / max(float(np.linalg.norm(self.sum)), 1e-9)
        return centre


def tell(
    windows: Sequence[SpeechWindow],
    embeddings: Embeddings,
    info: EncoderInfo,
    options: SpeakerOptions,
    *,
    before: Sequence[int] = (),
    fixed: Sequence[int] = (),
    named: Collection[int] = (),
    apart: Collection[tuple[int, int]] = (),
    taken: int = 0,
    more: int = 0,
) -> Told:
    """``before``: the speaker of each step as told so far; ``fixed``: as a person said; -1 where nobody did. ``named``:
    speakers that people gave names, no two the same. ``apart``: pairs of which the first does not vanish in the second.

    New speakers have numbers that are in neither and not below ``taken``. ``more``: so many more than ``options`` say
    there may be, as people made them one with others. Of more than ``STEPS_MAX`` windows the caller
    gives the last. Ten hours of speech take some tens of seconds.
    """
    count = len(windows)
    assert len(embeddings) == count <= STEPS_MAX
    if not count:
        return Told((), ())
    said = np.asarray(fixed, np.int64) if len(fixed) else np.full(count, UNKNOWN)
    earlier = np.asarray(before, np.int64) if len(before) else np.full(count, UNKNOWN)
    lengths = np.array([window.end_samples - window.start_samples for window in windows])
    first_new = max(taken, int(said.max()) + 1, int(earlier.max()) + 1)
    most = min(options.limit + more, SPEAKERS_MAX)
    talk = _Talk(windows, embeddings, earlier, lengths, info, options, first_new, options.expected or 0, most)
    way = _named_kept(talk, said, named)
    own = told = way.told
    if named and len(way.speakers) > most:
        keep = {*named, *said[said != UNKNOWN].tolist()}
        told = joined(own, embeddings, keep, most, info.cut / info.own)
    if apart:
        kept_apart = parted(told, embeddings, windows, earlier, said, lengths, apart)
        own, told = np.where(kept_apart != told, kept_apart, own), kept_apart
    way = way.told_as(told, embeddings)
    speakers, path, numbers = way.speakers, way.path, way.numbers
    sure = np.where(said != UNKNOWN, 1.0, sureness(way.scores, path))
    steps = tuple(
        LabelledStep(window.start_samples, window.end_samples, numbers[who], float(how))
        for window, who, how in zip(windows, path.tolist(), sure, strict=True)
    )
    heard = np.bincount(path, lengths, len(speakers))
    voices = (
        Voice(numbers[i], speaker.name, speaker.centre, int(heard[i])) for i, speaker in enumerate(speakers) if heard[i]
    )
    return Told(steps, tuple(sorted(voices, key=lambda voice: voice.speaker)), tuple(own.tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class _Talk:
    """What is grouped. ``earlier``: of whom each step was told before. ``least``, ``most``: so many speakers."""

    windows: Sequence[SpeechWindow]
    embeddings: Embeddings
    earlier: Ints
    lengths: Ints
    info: EncoderInfo
    options: SpeakerOptions
    first_new: int
    least: int
    most: int

    def uncounted(self) -> _Talk:
        """However many more speak than there are to be: nobody is made one with another by a count."""
        return replace(self, most=SPEAKERS_MAX)


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """``path``: of each step the place of its speaker in ``speakers``; ``numbers``: of each of these."""

    speakers: Sequence[_Speaker]
    scores: Embeddings
    path: Ints
    numbers: Sequence[int]

    @property
    def told(self) -> Ints:
        return np.asarray(self.numbers, np.int64)[self.path]

    def told_as(self, told: Ints, embeddings: Embeddings) -> _Way:
        """The same steps of the speakers with these numbers."""
        if np.array_equal(told, self.told):
            return self
        names = {number: speaker.name for number, speaker in zip(self.numbers, self.speakers, strict=True)}
        numbers, path = np.unique(told, return_inverse=True)
        speakers = [
            _Speaker(embeddings[path == at].sum(axis=0), number, names.get(number))
            for at, number in enumerate(numbers.tolist())
        ]
        scores = embeddings @ np.array([speaker.centre for speaker in speakers]).T
        return _Way(speakers, scores, path, numbers.tolist())


def _named_kept(talk: _Talk, said: Ints, named: Collection[int]) -> _Way:
    """None of ``named`` vanishes in another, or takes somebody else along because of a count: there may be more
    speakers than that."""
    way = _way(talk, said)
    is_counted = talk.most < SPEAKERS_MAX
    if not swallowed(way.told, talk.earlier, said, talk.lengths, named):
        if not is_counted or not absorbed(way.told, talk.earlier, said, talk.lengths, named):
            return way
        way = _way(talk.uncounted(), said)
        if not swallowed(way.told, talk.earlier, said, talk.lengths, named):
            return way
    if is_counted:
        told = np.bincount(talk.earlier[talk.earlier != UNKNOWN], talk.lengths[talk.earlier != UNKNOWN])
        voices = int(np.count_nonzero(told >= LARGE_LEAST_SAMPLES))
        talk = replace(talk.uncounted(), least=max(talk.least, min(voices, SPEAKERS_MAX)))
    for _ in range(ROUNDS_MAX):  # until the next pass would find the same
        held = cores(talk.embeddings, talk.earlier, said, named)
        way = _way(talk, held, staying=TOLD_COUNTS)
        if np.array_equal(way.told, talk.earlier):
            break
        talk = replace(talk, earlier=way.told)
    return way


def _way(talk: _Talk, held: Ints, *, staying: float = 0.0) -> _Way:
    """``held``: of each step whose it is, whatever it is like; -1 where that is free. ``staying``: so much more like
    whoever it was told of is each step taken to be."""
    speakers = _named(_speakers(talk, held), talk.info, talk.options)
    scores = talk.embeddings @ np.array([speaker.centre for speaker in speakers]).T
    tags = [speaker.tag for speaker in speakers]
    told = [tag if tag != UNKNOWN else NOBODY for tag in tags]
    as_told = scores + np.float32(staying) * (talk.earlier[:, None] == told)
    fixed = np.array([tags.index(tag) if tag != UNKNOWN else UNKNOWN for tag in held])
    path = likeliest(as_told, talk.windows, fixed)
    return _Way(speakers, scores, path, numbers_kept(path, tags, talk.earlier, talk.lengths, talk.first_new))


def _speakers(talk: _Talk, said: Ints) -> list[_Speaker]:
    info, lengths = talk.info, talk.lengths
    groups, into = coarse(talk.embeddings, said, info.cut, info.cut / info.own)
    into = groups.gather(into)
    sizes = np.bincount(into, lengths, len(groups.counts)).astype(np.int64)
    large = int(np.clip(LARGE_SHARE * lengths.sum(), LARGE_LEAST_SAMPLES, LARGE_MOST_SAMPLES))
    start = Groups(groups.sums.copy(), groups.counts.copy(), groups.tags.copy())
    merges = groups.merges(-1.0)
    tagged = (start.tags != FREE) & (start.counts > 0)  # a group that joined another of its tag is none any more
    chosen = merges[: _enough(merges, sizes, tagged, large, talk)]
    into = members(np.arange(len(sizes)), chosen)
    sizes = np.bincount(into, sizes, len(sizes)).astype(np.int64)
    speakers = []
    for group in np.unique(into[start.counts > 0]):
        mine = into == group
        tag = int(start.tags[mine].max())
        speakers.append((int(sizes[group]), _Speaker(start.sums[mine & (start.counts > 0)].sum(axis=0), tag)))
    kept = [speaker for size, speaker in speakers if size >= large or speaker.tag != FREE]
    return kept or [max(speakers, key=lambda one: one[0])[1]]


def _enough(merges: list[Merge], sizes: Ints, tagged: npt.NDArray[np.bool_], large: int, talk: _Talk) -> int:
    """How many of the merges to make: those above the cut; more or fewer where the number of speakers is known."""
    sizes, tagged = sizes.copy(), tagged.copy()
    counts = [int(np.count_nonzero((sizes >= large) | tagged))]
    for merge in merges:
        sizes[merge.kept] += sizes[merge.gone]
        tagged[merge.kept] |= tagged[merge.gone]
        sizes[merge.gone], tagged[merge.gone] = 0, False
        counts.append(int(np.count_nonzero((sizes >= large) | tagged)))
    chosen = next((i for i, merge in enumerate(merges) if merge.alike < talk.info.cut), len(merges))
    if counts[chosen] < talk.least:
        fewer = [i for i in range(chosen + 1) if counts[i] >= talk.least]
        chosen = fewer[-1] if fewer else max(range(chosen + 1), key=lambda i: (counts[i], i))
    return next((i for i in range(chosen, len(counts)) if counts[i] <= talk.most), len(merges))


def _named(speakers: list[_Speaker], info: EncoderInfo, options: SpeakerOptions) -> list[_Speaker]:
    """Names for those that are a known voice; two that are the same one, and as like each other, become one, unless a
    person set them apart, or so many are expected: then it is the one that is most like it."""
    as_alike: list[tuple[float, _Speaker]] = []
    for speaker in speakers:
        alike = [float(speaker.centre @ voice.embedding) for voice in options.known]
        if alike and max(alike) >= info.known:
            speaker.name = options.known[int(np.argmax(alike))].name
        as_alike.append((max(alike, default=0.0), speaker))
    too_many = len(speakers) - (options.expected or 1)
    kept: list[_Speaker] = []
    for _, speaker in sorted(as_alike, key=lambda one: -one[0]):
        same = next((one for one in kept if speaker.name is not None and one.name == speaker.name), None)
        if same is None:
            kept.append(speaker)
        elif FREE in (same.tag, speaker.tag) and too_many > 0 and float(same.centre @ speaker.centre) >= info.known:
            same.sum, same.tag = same.sum + speaker.sum, max(same.tag, speaker.tag)
            too_many -= 1
        else:
            kept.append(_Speaker(speaker.sum, speaker.tag))
    return kept
