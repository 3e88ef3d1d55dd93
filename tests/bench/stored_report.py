"""The sections of the benches whose figures are of each database: the journal's, and that of lists and the search."""

from __future__ import annotations

from typing import Any

from tests.bench.figures import shown

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
OF_DATABASE = {
    "events_per_s": "events stored a second, 64 sessions",
    "append_p50_ms": "an event stored, median, ms",
    "append_p99_ms": "the same, 99th percentile, ms",
    "commit_p50_ms": "a commit of all that waited, median, ms",
    "filled_per_s": "transcripts made a second, five hundred in a transaction",
    "list_newest_p50_ms": "the newest fifty, median, ms",
    "list_newest_p95_ms": "the same, 95th percentile, ms",
    "list_middle_p50_ms": "fifty from the middle, median, ms",
    "list_middle_p95_ms": "the same, 95th percentile, ms",
    "list_ended_p50_ms": "the newest fifty of those that have ended, median, ms",
    "list_ended_p95_ms": "the same, 95th percentile, ms",
    "search_common_p50_ms": "search for a common word, median, ms",
    "search_common_p95_ms": "the same, 95th percentile, ms",
    "search_rare_p50_ms": "search for a rare word, median, ms",
    "search_rare_p95_ms": "the same, 95th percentile, ms",
    "search_two_p50_ms": "search for two words, median, ms",
    "search_two_p95_ms": "the same, 95th percentile, ms",
    "scan_ms": "the rare word by LIKE in all texts, ms",
    "scan_by_search": "the same by the search, times",
}
WAYS = {"earshot": "Earshot", "broadcast": "websockets.broadcast"}
OF_WAY = {
    "us_per_reader": "processor for a reader and an event, µs",
    "last_reader_p50_ms": "until the last reader has it, median, ms",
    "last_reader_p95_ms": "the same, 95th percentile, ms",
}


def section(bench: dict[str, Any]) -> str:
    figures: dict[str, float] = bench["figures"]
    lines = [f"## {bench['title']}", ""]
    if "listed_transcripts" in figures:
        counts = (shown(figures[name]) for name in ("listed_transcripts", "listed_segments"))
        lines += ["{} transcripts with {} segments.".format(*counts), ""]
    lines += [*_table(figures, DATABASES, OF_DATABASE), ""]
    if "fan_out_readers" in figures:
        lines += [f"The same event for {shown(figures['fan_out_readers'])} readers:", ""]
        lines += [*_table(figures, WAYS, OF_WAY), ""]
    lines += [f"- {note}" for note in bench["notes"]]
    lines.append(f"- {bench['date'][:10]}, commit {bench['commit']}; {bench['machine']}.")
    return "\n".join(lines) + "\n"


def _table(figures: dict[str, float], columns: dict[str, str], rows: dict[str, str]) -> list[str]:
    found = [
        f"| {meaning} | {' | '.join(shown(figures[f'{column}_{name}']) for column in columns)} |"
        for name, meaning in rows.items()
        if all(f"{column}_{name}" in figures for column in columns)
    ]
    return [f"| figure | {' | '.join(columns.values())} |", f"|---|{'--:|' * len(columns)}", *found]
