"""The section of docs/performance.md on the inference loop, from ``build/bench/loop.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.bench.figures import shown

ENGINES = {
    "tiny": "Whisper tiny",
    "base": "Whisper base",
    "turbo": "Whisper large-v3-turbo",
    "sphinx": "pocketsphinx",
    "gpu_turbo": "Whisper large-v3-turbo on the GPU",
}
WAYS = {
    "naive": "naive, as whisper_streaming does: 30 s, one by one, beam 5",
    "naive_greedy": "the same, greedy",
    "one_by_one_padded": "this loop without batches, short encoder and cutting",
    "batch_only": "batches only",
    "short_encoder_only": "short encoder only",
    "batch_and_short_encoder": "batches and short encoder",
    "short_encoder": "with the short encoder, which this model is not given of itself",
    "": "this loop",
    "half_speech_without_gate": "half of it silence, without voice activity",
    "half_speech": "half of it silence",
}
# Name: what it means, and what was to be reached.
FIGURES = {
    "tiny_sessions_per_core": ("sessions per core, tiny, all speech", ">= 24"),
    "tiny_sessions_per_core_half_speech": ("the same, half of it silence", ">= 40"),
    "tiny_sessions_per_core_naive": ("the same as the first, the naive way", ""),
    "gpu_turbo_sessions_per_gpu": ("sessions per GPU, turbo, all speech", ">= 64"),
    "vad_us_per_chunk_at_32": ("voice activity at 32 sessions, us per chunk of 32 ms", "<= 35"),
    "vad_idle_cpu_ms_per_second": ("voice activity with nothing to do, ms of processor a second", ""),
    "live_wer_minus_file_wer_points": ("word error rate live minus whole file, points, pocketsphinx", "<= 0.3"),
    "concurrent_word_differences": ("words that differ between many sessions at once and each alone", "0"),
    "concurrent_words": ("of so many words", ""),
    "silence_hour_words": ("words told in an hour of silence", "0"),
    "noise_hour_words": ("words told in an hour of noise", ""),
    "memory_growth_mb_per_hour": ("memory growth, the worst of three hours, MB an hour", "flat"),
    "silence_hour_memory_growth_mb": ("in silence, MB an hour", ""),
    "noise_hour_memory_growth_mb": ("in noise, MB an hour", ""),
    "speech_hour_memory_growth_mb": ("in speech, MB an hour", ""),
    "event_loop_lag_p50_ms_50_sessions": ("event loop's lag with 50 live sessions, median, ms", ""),
    "event_loop_lag_p99_ms_50_sessions": ("the same, 99th percentile, ms", "<= 10"),
    "words_said_50_sessions": ("words said by them (scripted engine)", ""),
    "words_wrong_50_sessions": ("words lost, added or changed", "0"),
}


def section(bench: Mapping[str, Any]) -> str:
    figures: Mapping[str, float] = bench["figures"]
    tables: Mapping[str, list[Mapping[str, float]]] = bench.get("tables", {})
    lines = [f"## {bench['title']}", "", "| figure | found | to reach |", "|---|--:|--:|"]
    lines += [
        f"| {meaning} | {shown(figures[name])} | {reach} |"
        for name, (meaning, reach) in FIGURES.items()
        if name in figures
    ]
    for engine, title in ENGINES.items():
        lines += _engine(engine, title, figures)
    for name, rows in tables.items():
        lines += _curve(name, rows)
    lines += ["", *(f"- {note}" for note in bench["notes"])]
    lines.append(f"- {bench['date'][:10]}, commit {bench['commit']}; {bench['machine']}.")
    return "\n".join(lines) + "\n"


def _engine(engine: str, title: str, figures: Mapping[str, float]) -> Iterator[str]:
    """A table of the ways to use an engine. A session's cost compares them where whole sessions are too coarse."""
    rows = []
    for per in ("core", "gpu"):
        for way, meaning in WAYS.items():
            ending = f"_{way}" if way else ""
            name = f"{engine}_sessions_per_{per}{ending}"
            if name in figures:
                cost = figures.get(f"{engine}_core_ms_per_session_second{ending}", float("nan"))
                lag = figures.get(f"{engine}_real_time_lag_p95_ms{ending}", float("nan"))
                rows.append(f"| {meaning} | {shown(figures[name])} | {shown(cost)} | {shown(lag)} |")
    if rows:
        yield from ("", f"### {title}", "")
        yield "| way | sessions kept up with | ms of processor per second of a session | p95 lag in real time, ms |"
        yield from ("|---|--:|--:|--:|", *rows)


def _curve(name: str, rows: list[Mapping[str, float]]) -> Iterator[str]:
    engine = max((engine for engine in ENGINES if name == engine or name.startswith(f"{engine}_")), key=len)
    way = WAYS[name.removeprefix(engine).removeprefix("_")]
    yield from ("", f"{ENGINES[engine]}, {way}:", "")
    yield (
        "| sessions | lag p50, ms | lag p95, ms | speech to words p95, ms | updates missed | busy "
        "| rows decoded at once | kept up |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|---|"
    for row in rows:
        lags = (shown(row.get(f"{each}_ms", float("nan"))) for each in ("lag_p50", "lag_p95", "speech_to_words_p95"))
        told = f"{shown(row['sessions'])} | {' | '.join(lags)} | {row['missed_updates']:.0%} | {row['busy']:.0%}"
        told += f" | {shown(row.get('rows_at_once', float('nan')))}"
        yield f"| {told} | {'yes' if row['kept_up'] else 'no'} |"
