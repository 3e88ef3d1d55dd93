"""Who spoke when, from all that was heard: the pass at the end, and every few minutes before. Pure.

    embeddings -> groups by mean cosine (asr.speakers.groups) -> those that are large are speakers, the others theirs
    whom they are most like -> the likeliest way through the steps, where a change costs something (Viterbi 1967)

What a person said of a step stays as it is: steps of one speaker are one group from the beginning, and never join those
of another. Speakers keep the numbers by which the steps were told before, as far as the steps agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.speakers.contract import Embeddings, EncoderInfo, LabelledStep, SpeakerOptions, SpeechWindow, Voice
from asr.speakers.groups import FREE, Groups, Ints, Merge, coarse, members
from asr.speakers.path import UNKNOWN, likeliest, numbers_kept, sureness

STEPS_MAX = 90_000  # 10 hours of speech at 0.4 s
LARGE_SHARE = 0.04  # of all speech; what is smaller is more likely a mixture of two voices than a person
LARGE_LEAST_SAMPLES = 24_000
LARGE_MOST_SAMPLES = 96_000  # whoever spoke for so long is somebody


@dataclass(frozen=True, slots=True)
class Told:
    """The steps in their order, and the speakers in them by number."""

    steps: tuple[LabelledStep, ...]
    voices: tuple[Voice, ...]


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
    taken: int = 0,
) -> Told:
    """``before``: the speaker of each step as told so far; ``fixed``: as a person said; -1 where nobody did.

    New speakers have numbers that are in neither and not below ``taken``. Of more than ``STEPS_MAX`` windows the caller
    gives the last. Ten hours of speech take some tens of seconds.
    """
    count = len(windows)
    assert len(embeddings) == count <= STEPS_MAX
    if not count:
        return Told((), ())
    said = np.asarray(fixed, np.int64) if len(fixed) else np.full(count, UNKNOWN)
    earlier = np.asarray(before, np.int64) if len(before) else np.full(count, UNKNOWN)
    lengths = np.array([window.end_samples - window.start_samples for window in windows])
    speakers = _named(_speakers(embeddings, said, lengths, info, options), info, options)
    scores = embeddings @ np.array([speaker.centre for speaker in speakers]).T
    tags = [speaker.tag for speaker in speakers]
    path = likeliest(scores, windows, np.array([tags.index(tag) if tag != UNKNOWN else UNKNOWN for tag in said]))
    first_new = max(taken, int(said.max()) + 1, int(earlier.max()) + 1)
    numbers = numbers_kept(path, tags, earlier, lengths, first_new)
    sure = np.where(said != UNKNOWN, 1.0, sureness(scores, path))
    steps = tuple(
        LabelledStep(window.start_samples, window.end_samples, numbers[who], float(how))
        for window, who, how in zip(windows, path.tolist(), sure, strict=True)
    )
    heard = np.bincount(path, lengths, len(speakers))
    voices = (
        Voice(numbers[i], speaker.name, speaker.centre, int(heard[i])) for i, speaker in enumerate(speakers) if heard[i]
    )
    return Told(steps, tuple(sorted(voices, key=lambda voice: voice.speaker)))


def _speakers(
    embeddings: Embeddings, said: Ints, lengths: Ints, info: EncoderInfo, options: SpeakerOptions
) -> list[_Speaker]:
    groups, into = coarse(embeddings, said, info.cut, info.cut / info.own)
    into = groups.gather(into)
    sizes = np.bincount(into, lengths, len(groups.counts)).astype(np.int64)
    large = int(np.clip(LARGE_SHARE * lengths.sum(), LARGE_LEAST_SAMPLES, LARGE_MOST_SAMPLES))
    start = Groups(groups.sums.copy(), groups.counts.copy(), groups.tags.copy())
    merges = groups.merges(-1.0)
    chosen = merges[: _enough(merges, sizes, groups.tags != FREE, large, info.cut, options)]
    into = members(np.arange(len(sizes)), chosen)
    sizes = np.bincount(into, sizes, len(sizes)).astype(np.int64)
    speakers = []
    for group in np.unique(into[start.counts > 0]):
        mine = into == group
        tag = int(start.tags[mine].max())
        speakers.append((int(sizes[group]), _Speaker(start.sums[mine & (start.counts > 0)].sum(axis=0), tag)))
    kept = [speaker for size, speaker in speakers if size >= large or speaker.tag != FREE]
    return kept or [max(speakers, key=lambda one: one[0])[1]]


def _enough(
    merges: list[Merge], sizes: Ints, tagged: npt.NDArray[np.bool_], large: int, cut: float, options: SpeakerOptions
) -> int:
    """How many of the merges to make: those above the cut; more or fewer where the number of speakers is known."""
    sizes, tagged = sizes.copy(), tagged.copy()
    counts = [int(np.count_nonzero((sizes >= large) | tagged))]
    for merge in merges:
        sizes[merge.kept] += sizes[merge.gone]
        tagged[merge.kept] |= tagged[merge.gone]
        sizes[merge.gone], tagged[merge.gone] = 0, False
        counts.append(int(np.count_nonzero((sizes >= large) | tagged)))
    chosen = next((i for i, merge in enumerate(merges) if merge.alike < cut), len(merges))
    if options.expected is not None and counts[chosen] < options.expected:
        fewer = [i for i in range(chosen + 1) if counts[i] >= options.expected]
        chosen = fewer[-1] if fewer else max(range(chosen + 1), key=lambda i: (counts[i], i))
    return next((i for i in range(chosen, len(counts)) if counts[i] <= options.limit), len(merges))


def _named(speakers: list[_Speaker], info: EncoderInfo, options: SpeakerOptions) -> list[_Speaker]:
    """Names for those that are a known voice; two that are the same one become one, unless a person set them apart."""
    for speaker in speakers:
        alike = [float(speaker.centre @ voice.embedding) for voice in options.known]
        if alike and max(alike) >= info.known:
            speaker.name = options.known[int(np.argmax(alike))].name
    kept: list[_Speaker] = []
    for speaker in speakers:
        same = next((one for one in kept if speaker.name is not None and one.name == speaker.name), None)
        if same is None:
            kept.append(speaker)
        elif FREE in (same.tag, speaker.tag):
            same.sum, same.tag = same.sum + speaker.sum, max(same.tag, speaker.tag)
        else:
            kept.append(_Speaker(speaker.sum, speaker.tag))
    return kept
