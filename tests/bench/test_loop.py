from __future__ import annotations

from pathlib import Path

from tests.bench.capacity import ALL, BASE, HALF, NAIVE, TINY, TURBO, Found
from tests.bench.drive import Outcome
from tests.bench.figures import Figures
from tests.bench.lag import Kept
from tests.bench.loop import record
from tests.bench.loop_report import FIGURES, WAYS
from tests.bench.report import report


def _outcome(sessions: int, lag_ms: float = 200.0) -> Outcome:
    return Outcome(sessions, Kept(100.0, lag_ms, 700.0, 1200.0, 0.01, 50), sessions * 0.04)


def test_figures_are_called_as_they_are_asked_for(tmp_path: Path) -> None:
    figures = Figures("loop", "The loop")
    found = [
        Found(NAIVE.name, 0, (_outcome(1, 2000.0), _outcome(2, 4000.0))),
        Found(ALL.name, 12, (_outcome(8), _outcome(12), _outcome(13, 1400.0)), _outcome(12, 300.0)),
        Found(HALF.name, 20, (_outcome(20), _outcome(21, 1400.0))),
    ]
    record(figures, "tiny", "core", found)
    assert figures.values["tiny_sessions_per_core_naive"] == 0
    assert figures.values["tiny_sessions_per_core"] == 12
    assert figures.values["tiny_sessions_per_core_half_speech"] == 20
    assert figures.values["tiny_lag_p95_ms"] == 200.0
    assert figures.values["tiny_real_time_lag_p95_ms"] == 300.0
    assert "tiny_lag_p95_ms_naive" not in figures.values
    assert [row["sessions"] for row in figures.tables["tiny"]] == [8, 12, 13]
    figures.add(vad_us_per_chunk_at_32=30.0)
    figures.write(tmp_path)
    text = report(tmp_path)
    assert "| sessions per core, tiny, all speech | 12 | >= 24 |" in text
    assert "| voice activity at 32 sessions, us per chunk of 32 ms | 30 | <= 35 |" in text
    assert "| this loop | 12 | 40 | 300 |" in text
    assert "| 13 | 100 | 1400 | 1200 | 1% | 52% | - | no |" in text


def test_the_report_knows_all_that_is_asked_for_and_every_way() -> None:
    asked = """tiny_sessions_per_core_naive tiny_sessions_per_core tiny_sessions_per_core_half_speech
        vad_us_per_chunk_at_32 live_wer_minus_file_wer_points concurrent_word_differences silence_hour_words
        noise_hour_words memory_growth_mb_per_hour event_loop_lag_p99_ms_50_sessions"""
    assert set(asked.split()) <= set(FIGURES)
    assert {way.name for way in (*TINY, *BASE, *TURBO)} <= set(WAYS)
