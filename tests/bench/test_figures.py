from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.bench.figures import Figures, histogram_percentile, percentile, shown
from tests.bench.report import DOCUMENT, MEANINGS, report
from tests.bench.streams import SENTENCE_EVERY_S, SETTLE_S, Heard, talk
from tests.bench.words import errors, normal


def test_percentiles_are_nearest_ranks() -> None:
    assert percentile([5, 1, 3], 50) == 3
    assert percentile(range(1, 101), 95) == 95
    assert math.isnan(percentile([], 50))


def test_percentiles_of_a_histogram_are_within_their_bucket() -> None:
    counts = {0.001: 50.0, 0.01: 100.0, float("inf"): 100.0}
    assert histogram_percentile(counts, 25) == 0.0005
    assert histogram_percentile(counts, 75) == pytest.approx(0.0055)
    assert histogram_percentile({0.001: 0.0, float("inf"): 5.0}, 99) == 0.001
    assert math.isnan(histogram_percentile({0.001: 0.0, float("inf"): 0.0}, 50))


def test_figures_are_written_as_documented_and_reported(tmp_path: Path) -> None:
    figures = Figures("websocket", "Streams")
    figures.add(streams=4, loop_lag_p50_ms=0.8123)
    document = json.loads(figures.write(tmp_path).read_text())
    assert {"commit", "date", "machine", "figures"} <= set(document)
    assert document["figures"] == {"streams": 4, "loop_lag_p50_ms": 0.8123}
    assert f"| {MEANINGS['loop_lag_p50_ms']} | 0.812 |" in report(tmp_path)
    assert "No bench" in report(tmp_path / "empty")
    assert shown(12345.6) == "12346"


def test_latency_is_from_the_end_of_each_word() -> None:
    words, sound = talk(2 * SENTENCE_EVERY_S + 3, 0.0)
    assert len(sound) == 11 * 32_000
    heard = Heard(words, began_s=100.0)
    text, start = next((text, start) for text, start in words if start > SETTLE_S)
    told = {"words": [{"text": text, "start": start, "end": start + 0.24}], "is_final": False}
    for now_s in (106.0, 107.0):  # told again: only the first time counts
        heard.take({"type": "transcription", "data": told}, now_s)
    assert [round(ms) for ms in heard.interim_ms] == [round((6.0 - start - 0.24) * 1000)]
    heard.take({"type": "transcription", "data": {**told, "is_final": True}}, 108.0)
    assert heard.finals == [text]
    assert [round(ms) for ms in heard.final_ms] == [round((8.0 - start - 0.24) * 1000)]


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert normal("Don't—stop, 'now'!  Well-known.") == "don't stop now well known"
    found = errors(["A b, c d."], ["a x c"])
    assert (found.words, found.substitutions, found.deletions, found.insertions) == (4, 1, 1, 0)
    assert found.rate == 0.5


def test_what_was_not_measured_again_stays_in_the_report(tmp_path: Path) -> None:
    before = DOCUMENT.read_text()
    assert report(tmp_path, before) == before
    Figures("room", "Rooms").write(tmp_path)
    added = report(tmp_path, before)
    assert added.startswith(before)
    assert added.count("\n## Rooms\n") == report(tmp_path, added).count("\n## Rooms\n") == 1


def test_figures_of_each_database_stand_beside_each_other(tmp_path: Path) -> None:
    figures = Figures("journal", "The journal")
    figures.add(sqlite_events_per_s=1050.4, postgresql_events_per_s=235.2, sqlite_scan_ms=1.0)
    figures.add(fan_out_readers=1000, earshot_us_per_reader=92.1, broadcast_us_per_reader=16.0)
    figures.write(tmp_path)
    told = report(tmp_path)
    assert "| events stored a second, 64 sessions | 1050 | 235 |" in told
    assert "for 1000 readers" in told
    assert "| processor for a reader and an event, µs | 92.1 | 16 |" in told
    assert "LIKE" not in told  # of one database alone
