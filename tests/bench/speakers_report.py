"""The section of docs/performance.md on who spoke, from ``build/bench/speakers.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.bench.figures import shown

WAYS = {
    "one_speaker": "all one speaker",
    "per_utterance": "each utterance somebody new",
    "mfcc_live": "cepstra, live",
    "mfcc_last": "cepstra, last pass",
    "live": "live",
    "last": "last pass",
    "last_count_known": "last pass, number of speakers given",
    "segmented_live": "with segmentation, live",
    "segmented_last": "with segmentation, last pass",
    "segmented_overlap": "the same, a second speaker where two overlap",
    "right": "true speakers, our steps",
}
MEANINGS = {
    "conversations": "conversations",
    "conversation_sound_s": "their sound, s",
    "window_cpu_ms": "one window embedded alone, ms of processor",
    "voice_cpu_ms_per_stream_second": "all windows embedded one by one, ms of processor per second of a stream",
    "speakers_cpu_ms_per_stream_second": "labels live, the same",
    "segmentation_cpu_ms_per_stream_second": "changes of voices looked for, and parts of windows embedded, the same",
    "speakers_streams": "live streams at once, with voices told apart and without",
    "speakers_interim_p50_ms_without": "end of a word sent to the word told, without, median, ms",
    "speakers_interim_p50_ms_with": "the same with",
    "speakers_interim_p50_ms_segmented": "the same with segmentation, too",
    "speakers_interim_p95_ms_without": "the same without, 95th percentile, ms",
    "speakers_interim_p95_ms_with": "the same with",
    "speakers_interim_p95_ms_segmented": "the same with segmentation, too",
    "speakers_final_p95_ms_without": "end of speech sent to its final told, without, 95th percentile, ms",
    "speakers_final_p95_ms_with": "the same with",
    "speakers_final_p95_ms_segmented": "the same with segmentation, too",
    "speakers_inference_cpu_ms_per_stream_second_without": "inference process, ms of processor per stream and second",
    "speakers_inference_cpu_ms_per_stream_second_with": "the same with voices told apart",
    "speakers_inference_cpu_ms_per_stream_second_segmented": "the same with segmentation, too",
    "speakers_words_wrong_with": "words lost, added or changed, with",
    "speakers_words_wrong_segmented": "the same with segmentation, too",
    "passes_cpu_ms_per_stream_second": "passes now and then and the last one, the same",
}


def section(bench: Mapping[str, Any]) -> str:
    figures: Mapping[str, float] = bench["figures"]
    kinds = [name.removesuffix("_right_der") for name in figures if name.endswith("_right_der")]
    ways = {way: name for way, name in WAYS.items() if all(f"{kind}_{way}_der" in figures for kind in kinds)}
    lines = [f"## {bench['title']}", ""]
    for meaning, ending in (
        ("Diarization errors, % (0.25 s around changes not judged; in brackets: speech given to another)", "_der"),
        ("Diarization errors, %, all judged", "_der_no_collar"),
        ("Speakers too many or too few, mean", "_speakers_off"),
    ):
        lines += [f"{meaning}:", "", "| conversations | " + " | ".join(ways.values()) + " |"]
        lines += ["|---|" + "--:|" * len(ways)]
        cells = {kind: " | ".join(_cells(figures, kind, ending, ways)) for kind in kinds}
        lines += [f"| {kind.replace('_', ' ')} | {mine} |" for kind, mine in cells.items()]
        lines.append("")
    lines += ["| figure | |", "|---|--:|"]
    lines += [f"| {meaning} | {shown(figures[name])} |" for name, meaning in MEANINGS.items() if name in figures]
    lines += ["", *(f"- {note}" for note in bench["notes"])]
    lines.append(f"- {bench['date'][:10]}, commit {bench['commit']}; {bench['machine']}.")
    return "\n".join(lines) + "\n"


def _cells(figures: Mapping[str, float], kind: str, ending: str, ways: Iterable[str]) -> list[str]:
    cells = []
    for way in ways:
        value = figures[f"{kind}_{way}{ending}"]
        if ending == "_speakers_off":
            cells.append(shown(value))
        elif ending == "_der":
            cells.append(f"{value * 100:.1f} ({figures[f'{kind}_{way}_confusion'] * 100:.1f})")
        else:
            cells.append(f"{value * 100:.1f}")
    return cells
