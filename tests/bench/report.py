"""``python -m tests.bench.report``: docs/performance.md from what the benches wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import loop_report, speakers_report, stored_report
from tests.bench.figures import FOLDER, shown

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "performance.md"
OF_SOUND = ("loop", "websocket", "webrtc", "bots", "cycles", "room", "chunks", "jobs", "jobs-live", "words", "speakers")
ORDER = (*OF_SOUND, "journal", "listing")
MEANINGS = {
    "streams": "live streams at once",
    "bots": "bots at once",
    "participants_each": "participants of each, a live stream each",
    "bots_kept_up_with": "bots kept up with",
    "streams_per_core": "live streams of participants by what they cost: so many are a core",
    "core_of_others_percent": "percent of the server's core that others took meanwhile",
    "recordings_not_done": "recordings not done three minutes after their end",
    "connections_lost": "connections of bots that the server ended",
    "messages_refused": "messages of bots refused",
    "document_words_wrong": "words lost, added or changed in the documents",
    "documents_p50_ms": "four documents of a meeting, one after the other, median, ms",
    "documents_p95_ms": "the same, 95th percentile, ms",
    "load_late_p99_ms": "sound sent later by the load than it was spoken, 99th percentile, ms",
    "inference_memory_mb": "the inference process's memory, MB",
    "mb_per_stream": "memory of both that one more stream costs, MB",
    "seconds": "length of each stream, s",
    "server_cpu_ms_per_stream_second": "server's process, ms of processor per second of a stream",
    "inference_cpu_ms_per_stream_second": "inference process (voice activity, scheduling, scripted engine), the same",
    "idle_cpu_ms_per_second": "both processes with nobody there, ms of processor a second",
    "loop_lag_p50_ms": "event loop's lag, median, ms",
    "loop_lag_p99_ms": "event loop's lag, 99th percentile, ms",
    "word_to_interim_p50_ms": "end of a word sent to the word told, median, ms",
    "word_to_interim_p95_ms": "the same, 95th percentile, ms",
    "speech_to_final_p50_ms": "end of speech sent to its final told, median, ms (500 ms of silence end an utterance)",
    "speech_to_final_p95_ms": "the same, 95th percentile, ms",
    "words_said": "words said",
    "words_final": "words in finals",
    "words_wrong": "words lost, added or changed",
    "stock_ms_per_stream_s_at_40": "reception alone, stock aiortc, 40 streams: ms of processor per second of a stream",
    "router_ms_per_stream_s_at_40": "reception alone, by router, 40 streams: ms of processor per second of a stream",
    "ms_per_stream_s_at_40": "reception alone, 40 streams: ms of processor per second of a stream",
    "ms_per_stream_s_at_100": "reception alone, 100 streams: ms of processor per second of a stream",
    "ms_per_stream_s_at_200": "reception alone, 200 streams: ms of processor per second of a stream",
    "stock_wideband_ms_per_stream_s_at_40": "wideband, 40 streams, stock aiortc: ms of processor per stream and second",
    "wideband_ms_per_stream_s_at_40": "wideband, 40 streams: ms of processor per stream and second",
    "wideband_ms_per_stream_s_at_100": "wideband, 100 streams: ms of processor per stream and second",
    "cheaper_than_stock_at_40": "stock aiortc's cost by ours, 40 streams",
    "stock_threads_at_40": "threads of stock aiortc, 40 streams",
    "threads_at_40": "threads, 40 streams",
    "threads_at_100": "threads, 100 streams",
    "mb_per_peer": "memory of one more peer, MB",
    "delivered_share_at_100": "share of the sound sent that came out in time, 100 streams",
    "loop_lag_p99_ms_at_200": "reception alone, 200 streams: event loop's lag, 99th percentile, ms",
    "stock_delay_ms_2s_after_one_loss": "age of sound when it comes, 2 s after one packet was lost, stock aiortc, ms",
    "delay_ms_2s_after_one_loss": "age of sound when it comes, 2 s after one packet was lost, ms",
    "media_time_error_ms_at_5_percent_loss": "sound out against sound sent, 5 % of packets lost: the worst stream, ms",
    "mixer_us_per_frame": "mixing 20 participants of whom 3 speak: microseconds of processor per 20 ms",
    "encode_us_per_frame": "encoding 20 ms of speech for those who hear the same: microseconds of processor",
    "aiortc_encode_us_per_frame": "the same by aiortc's encoder (48 kHz stereo), which each listener would need",
    "room_of_20_one_speaks_ms_per_participant_s": "room of 20, one speaks: ms of processor per participant and second",
    "room_of_20_three_speak_ms_per_participant_s": "a room of 20, three speak: the same",
    "25_rooms_of_4_one_speaks_ms_per_participant_s": "25 rooms of 4, one speaks in each: the same",
    "25_rooms_of_4_loop_lag_p99_ms": "25 rooms of 4: event loop's lag, 99th percentile, ms",
    "25_rooms_of_4_ticks_missed": "25 rooms of 4: times that no room was heard for 20 ms",
    "room_delay_p50_ms": "a sound's first packet sent to the first packet with it at a listener, median, ms",
    "room_delay_p95_ms": "the same, 95th percentile, ms",
    "cycles": "visits of WebRTC peers, from offer to the last word",
    "cycles_failed": "visits that failed",
    "memory_mb_per_1000_cycles": "memory that 1,000 more visits cost, MB",
    "worker_memory_mb_per_1000_cycles": "the same, of the inference process",
    "descriptors_left": "file descriptors more than when it was warm",
    "threads_left": "threads more than when it was warm",
    "tasks_left": "tasks more than when it was warm",
    "conversations": "conversations, eight recorded at once",
    "conversations_failed": "conversations that failed",
    "chunks": "their chunks, of 3 s in Ogg",
    "chunks_per_s": "chunks a second, from its announcement to its words",
    "sound_per_s": "seconds of sound a second",
    "put_p50_ms": "announcing, putting and confirming one, median, ms",
    "put_p99_ms": "the same, 99th percentile, ms",
    "memory_mb": "the server's memory at the end, MB",
    "memory_mb_per_1000_chunks": "memory that 1,000 more chunks cost, MB",
    "tracebacks_in_log": "tracebacks in the server's log",
    "job_hours": "a long file of speech, h",
    "job_seconds_per_sound_second": "seconds per second of its sound, by the embedded recogniser",
    "job_word_error_rate": "word errors of the job",
    "whole_word_error_rate": "word errors where each of its recordings is heard in one piece",
    "job_server_peak_mb": "the server's memory at its highest, MB",
    "job_inference_peak_mb": "the inference process's, MB",
    "job_server_grown_mb": "the server's memory, last tenth against second tenth, MB",
    "live_streams": "live streams beside files",
    "jobs_beside": "files at once, of ten minutes each",
    "jobs_completed": "of them completed in the end",
    "alone_word_to_interim_p95_ms": "end of a word to the word told, no files, 95th percentile, ms",
    "beside_word_to_interim_p95_ms": "the same beside the files",
    "alone_speech_to_final_p95_ms": "end of speech to its final told, no files, 95th percentile, ms",
    "beside_speech_to_final_p95_ms": "the same beside the files",
    "beside_words_wrong": "live words lost, added or changed beside the files",
    "sound_s": "sound heard, s",
    "live_seconds_per_sound_second": "live: seconds per second of sound, sent as fast as it was taken",
    "whole_seconds_per_sound_second": "whole file: seconds per second of sound",
}
CURVE = {
    "bots": "bots",
    "streams_per_core": "streams a core, by cost",
    "server_cpu_ms_per_stream_second": "server, ms of processor per stream and second",
    "inference_cpu_ms_per_stream_second": "inference, the same",
    "loop_lag_p50_ms": "loop's lag p50, ms",
    "loop_lag_p99_ms": "p99, ms",
    "word_to_interim_p50_ms": "word told p50, ms",
    "word_to_interim_p95_ms": "p95, ms",
    "speech_to_final_p50_ms": "final told p50, ms",
    "speech_to_final_p95_ms": "p95, ms",
    "words_said": "words said",
    "words_wrong": "of them wrong",
    "connections_lost": "connections lost",
    "load_late_p99_ms": "load late p99, ms",
    "core_of_others_percent": "percent of the core that others took",
    "memory_mb": "server's memory, MB",
}
INTRODUCTION = """# Performance

Made by `python -m tests.bench.report` from what `make bench` wrote; nothing here is typed by hand.

The server and its inference process run on one core, the load on another. Live streams say known words in tones that
the scripted engine hears, so their figures are those of the server and not of a recogniser. Sessions per core are those
of the inference process alone, as the notes of its section say. Word error rates are those of the embedded recogniser
(pocketsphinx) on read speech, without punctuation and case. *Live* went through the socket; *whole file* is the same
engine hearing each file as one utterance: the live path must not be worse.
"""


def report(folder: Path = FOLDER, before: str = "") -> str:
    """The document. What ``before`` says of a bench that was not run stays."""
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n?)*)", before, re.MULTILINE))
    for name in ORDER:
        path = folder / f"{name}.json"
        if path.exists():
            bench = json.loads(path.read_text())
            text = SECTIONS.get(name, _section)(bench)
            sections[bench["title"]] = text.partition("\n")[2]
    if not sections:
        return f"{INTRODUCTION}\nNo bench has been run yet.\n"
    return "\n".join([INTRODUCTION, *(f"## {title}\n{text.rstrip()}\n" for title, text in sections.items())])


def _section(bench: dict[str, Any]) -> str:
    lines = [f"## {bench['title']}", ""]
    figures: dict[str, float] = bench["figures"]
    corpora = [name.removesuffix("_live_word_error_rate") for name in figures if name.endswith("_live_word_error_rate")]
    if corpora:
        lines += [
            "| recordings | words | errors live | errors whole file | lost live | lost whole file |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        lines += [_corpus_row(figures, corpus) for corpus in corpora]
        lines.append("")
    rows = [(MEANINGS[name], value) for name, value in figures.items() if name in MEANINGS]
    lines += ["| figure | |", "|---|--:|", *(f"| {meaning} | {shown(value)} |" for meaning, value in rows), ""]
    if curve := bench.get("tables", {}).get("curve"):
        lines += [*_curve(curve), ""]
    lines += [f"- {note}" for note in bench["notes"]]
    lines.append(f"- {bench['date'][:10]}, commit {bench['commit']}; {bench['machine']}.")
    return "\n".join(lines) + "\n"


def _curve(rows: list[dict[str, float]]) -> Iterator[str]:
    yield f"| {' | '.join(CURVE.values())} | kept up |"
    yield f"|{'--:|' * len(CURVE)}---|"
    for row in rows:
        values = " | ".join(shown(row.get(name, float("nan"))) for name in CURVE)
        yield f"| {values} | {'yes' if row['kept_up'] else 'no'} |"


def _corpus_row(figures: dict[str, float], corpus: str) -> str:
    rates = [
        figures[f"{corpus}_{which}"]
        for which in ("live_word_error_rate", "whole_word_error_rate", "live_deleted_rate", "whole_deleted_rate")
    ]
    percents = " | ".join(f"{rate:.1%}" for rate in rates)
    return f"| {corpus} | {shown(figures[f'{corpus}_words'])} | {percents} |"


SECTIONS = {
    "loop": loop_report.section,
    "speakers": speakers_report.section,
    "journal": stored_report.section,
    "listing": stored_report.section,
}

if __name__ == "__main__":
    DOCUMENT.write_text(report(before=DOCUMENT.read_text() if DOCUMENT.exists() else ""))
    print(f"wrote {DOCUMENT}")
