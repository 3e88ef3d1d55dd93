"""How much each speaker spoke, by the words of final segments: talk time, turns, words, interruptions. Pure.

*Talk time* is the time of words; pauses below ``PAUSE_SAMPLES`` count as talk. A *stretch* is talk without such a
pause. A *turn* is all that one says before another begins; its length is the talk in it.

An *interruption* is a between-speaker overlap as of Heldner and Edlund (Pauses, gaps and overlaps in conversations,
Journal of Phonetics 38, 2010, 4.1): one begins while another speaks, the other stops, and the first goes on. Not
counted are those of less than ``OVERLAP_MIN_SAMPLES``, as who comes in on another's last syllables takes a turn that
was ending (Schegloff, Overlapping talk and the organization of turn-taking, Language in Society 29, 2000), nor those of
more than ``OVERLAP_MAX_SAMPLES``: then both just spoke. Two who speak at once can be seen on tracks of their own alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.exports import clean, in_order, timed_pieces
from server.speaker_labels import number_of

PAUSE_SAMPLES = SAMPLE_RATE_HZ
OVERLAP_MIN_SAMPLES = SAMPLE_RATE_HZ * 3 // 10
OVERLAP_MAX_SAMPLES = SAMPLE_RATE_HZ * 3 // 2


@dataclass(frozen=True, slots=True)
class SpeakerFigures:
    """``label`` is what the voice is called by itself, ``name`` who readers are told it is.

    ``interruptions`` they made and ``interrupted``, that were made of them; None: their words share a track with
    another's, or everybody's do, so that nobody could see it.
    """

    label: str
    name: str
    talk_samples: int
    share: float  # of what all talked, 0..1
    turns: int
    longest_turn_samples: int
    words: int
    interruptions: int | None
    interrupted: int | None

    @property
    def words_per_minute(self) -> float | None:
        """None of who has words without a length."""
        return self.words * 60 * SAMPLE_RATE_HZ / self.talk_samples if self.talk_samples else None


@dataclass(slots=True)
class Stretch:
    """Talk of one without a pause. Samples since the transcript began."""

    label: str
    start_samples: int
    end_samples: int

    @property
    def length_samples(self) -> int:
        return self.end_samples - self.start_samples


def figures_of(segments: Iterable[Segment], track_offsets: Mapping[str, int]) -> list[SpeakerFigures]:
    """In the order in which they first spoke; words of nobody do not count.

    ``track_offsets``: as for ``server.exports.export``.
    """
    told = [segment for segment in in_order(segments, track_offsets) if clean(segment.label or "")]
    names: dict[str, str] = {}
    words: dict[str, int] = {}
    for segment in told:
        label = clean(segment.label or "")
        names[label] = clean(segment.speaker or "")
        words[label] = words.get(label, 0) + (len(segment.words) or len(segment.text.split()))
    stretches = stretches_of(told)
    turns = _turns(stretches)
    talk = {label: sum(lengths) for label, lengths in turns.items()}
    made, suffered = _interruptions(stretches, _apart(told))
    all_samples = sum(talk.values())
    return [
        SpeakerFigures(
            label=label,
            name=name,
            talk_samples=talk[label],
            share=talk[label] / all_samples if all_samples else 0.0,
            turns=len(turns[label]),
            longest_turn_samples=max(turns[label]),
            words=words[label],
            interruptions=made.get(label),
            interrupted=suffered.get(label),
        )
        for label, name in names.items()
    ]


def overlap_samples(segments: Iterable[Segment]) -> int:
    """For how long two speak at once at one microphone, as far as that was looked for."""
    return sum(end - start for segment in segments for start, end in segment.overlap)


def speakers_data(found: Sequence[SpeakerFigures]) -> list[dict[str, Any]]:
    """As answers and documents have it; times in seconds."""
    return [
        {
            "speaker": each.name,
            "speaker_label": each.label,
            "speaker_number": number_of(each.label),
            "talk_time": _s(each.talk_samples),
            "share": round(each.share, 4),
            "turns": each.turns,
            "longest_turn": _s(each.longest_turn_samples),
            "words": each.words,
            "words_per_minute": None if each.words_per_minute is None else round(each.words_per_minute, 1),
            "interruptions": each.interruptions,
            "interrupted": each.interrupted,
        }
        for each in found
    ]


def _s(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 3)


def stretches_of(told: Iterable[Segment]) -> list[Stretch]:
    """By their beginning. ``told``: in order."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for segment in told:
        spoken = spans.setdefault(clean(segment.label or ""), [])
        spoken += [(piece.start_samples, piece.end_samples) for piece in timed_pieces(segment)]
    found: list[Stretch] = []
    for label, spoken in spans.items():
        last: Stretch | None = None
        for start, end in sorted(spoken):
            if last is not None and start - last.end_samples < PAUSE_SAMPLES:
                last.end_samples = max(last.end_samples, end)
            else:
                found.append(last := Stretch(label, start, end))
    return sorted(found, key=lambda each: (each.start_samples, each.end_samples))


def _turns(stretches: Sequence[Stretch]) -> dict[str, list[int]]:
    """Of each, how much talk there is in each turn."""
    turns: dict[str, list[int]] = {}
    before = None
    for each in stretches:
        lengths = turns.setdefault(each.label, [])
        if each.label == before:
            lengths[-1] += each.length_samples
        else:
            lengths.append(each.length_samples)
        before = each.label
    return turns


def _apart(told: Iterable[Segment]) -> frozenset[str]:
    """Those on whose tracks nobody else has words, if there are several."""
    on: dict[str, set[str]] = {}
    for segment in told:
        on.setdefault(segment.track, set()).add(clean(segment.label or ""))
    shared = {label for labels in on.values() if len(labels) > 1 for label in labels}
    found = frozenset(label for labels in on.values() for label in labels) - shared
    return found if len(found) > 1 else frozenset()


def _interruptions(stretches: Sequence[Stretch], apart: frozenset[str]) -> tuple[dict[str, int], dict[str, int]]:
    """How many each made, and how many were made of each."""
    made, suffered = dict.fromkeys(apart, 0), dict.fromkeys(apart, 0)
    going: list[Stretch] = []
    for each in stretches:
        if each.label not in apart:
            continue
        going = [other for other in going if other.end_samples > each.start_samples]
        for other in going:
            together_samples = other.end_samples - each.start_samples
            stops = OVERLAP_MIN_SAMPLES <= together_samples <= OVERLAP_MAX_SAMPLES
            if stops and other.start_samples < each.start_samples and each.end_samples > other.end_samples:
                made[each.label] += 1
                suffered[other.label] += 1
        going.append(each)
    return made, suffered
