"""What the segmentation network adds: windows cut where voices change, and a second speaker where two overlap."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.contract import Samples
from asr.speakers.contract import Embeddings, SpeakerEncoder, SpeechWindow
from asr.speakers.recut import cut
from asr.speakers.segmentation import FILE, Span, decoded
from asr.speakers.segmentation_network import SegmentationNetwork
from asr.speakers.windows import Levels
from asr.track_changes import TrackChanges
from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.der import Spoken

FOLDER = "models/pyannote_segmentation_3_0_int8"
Parts = Mapping[int, Sequence[tuple[SpeechWindow, Embeddings]]]  # by the place of the window that they are of


@dataclass(frozen=True, slots=True)
class Segmented:
    """``parts``: of windows in which a voice changes. Times of the processor in seconds."""

    parts: Parts
    overlaps: Sequence[Span]
    looks: int
    looks_s: float
    parts_s: float


def segmentation_folder() -> Path | None:
    """Where ``EARSHOT_TEST_DATA`` has the network; None where it has none."""
    folder = Path(os.environ.get("EARSHOT_TEST_DATA") or "/nowhere") / FOLDER
    return folder if (folder / FILE).is_file() else None


def network() -> SegmentationNetwork | None:
    folder = segmentation_folder()
    return None if folder is None else SegmentationNetwork(folder)


def segmented(
    samples: Samples,
    utterances: Sequence[Span],
    windows: Sequence[SpeechWindow],
    network: SegmentationNetwork,
    encoder: SpeakerEncoder,
) -> Segmented:
    """As a session does that has time for it before each final."""
    began_s = time.process_time()
    tracked, looks = TrackChanges(), 0
    for start, end in utterances:
        while (due := tracked.due(start, end, ends=True)) is not None:
            tracked.took(start, due, decoded(network.hear(samples[slice(*due)]), due[0]))
            looks += 1
    found, looked_s = tracked.all_told(), time.process_time()
    voiced = _voiced(windows)
    levels = Levels()
    parts: dict[int, list[tuple[SpeechWindow, Embeddings]]] = {}
    for at, window in enumerate(windows):
        levels.normal(samples[window.heard_from_samples : window.heard_to_samples])
        pieces = cut(window, voiced[at], found.changes, encoder.info.window_samples)
        if pieces != (window,):
            sounds = [levels.again(samples[each.heard_from_samples : each.heard_to_samples]) for each in pieces]
            parts[at] = list(zip(pieces, encoder.embed(sounds), strict=True))
    return Segmented(parts, found.overlaps, looks, looked_s - began_s, time.process_time() - looked_s)


def _voiced(windows: Sequence[SpeechWindow]) -> list[Span]:
    """Of each window, where the voice around it begins and ends."""
    begins: list[int] = []
    for at, window in enumerate(windows):
        goes_on = at > 0 and windows[at - 1].end_samples == window.start_samples
        begins.append(begins[-1] if goes_on else window.start_samples)
    ends = {begin: window.end_samples for begin, window in zip(begins, windows, strict=True)}
    return [(begin, ends[begin]) for begin in begins]


def with_second(told: Sequence[Spoken], overlaps: Sequence[Span]) -> list[Spoken]:
    """Where two speak, the one who is told and, besides, whoever else is told nearest to it."""
    more: list[Spoken] = []
    for start, end in overlaps:
        start_s, end_s = start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ
        near = sorted(told, key=lambda each: max(each[0] - end_s, start_s - each[1], 0.0))
        within = [each for each in near if each[0] < end_s and each[1] > start_s]
        first = {who for _, _, who in within}
        if len(first) == 1:
            second = next((who for _, _, who in near if who not in first), None)
            more += [(start_s, end_s, second)] if second is not None else []
        elif first:
            # A change lies in it: each goes on to its other end.
            more += [(start_s, end_s, who) for who in sorted(first)[:2]]
    return [*told, *more]
