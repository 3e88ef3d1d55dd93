from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asr.speakers.resemblyzer import ResemblyzerEncoder
from tests.bench.conversations import DIGITS, KINDS, RECORDED, SYNTHETIC, VOICES, Conversation, conversations, folder
from tests.bench.figures import Figures
from tests.bench.mfcc import MfccEncoder
from tests.bench.report import report
from tests.bench.speakers import Score, _figures, _ways, hear, measure, score, score_segmented
from tests.bench.speakers_report import WAYS
from tests.bench.speakers_segmented import Segmented
from tests.fakes.spoken_sample import spoken_sample


def sample() -> Conversation:
    told = spoken_sample()
    return Conversation(
        "sample", "sample", told.samples, tuple((a, b, str(i % 2)) for i, (a, b, _) in enumerate(told.turns))
    )


def test_no_voice_is_in_both_halves() -> None:
    for voices in (VOICES, SYNTHETIC, DIGITS):
        assert not set(voices["dev"]) & set(voices["test"])
    files = [pattern for half in ("dev", "test") for patterns in VOICES[half].values() for pattern in patterns]
    assert len(files) == len(set(files))
    assert not set(RECORDED["dev"].values()) & set(RECORDED["test"].values())


def test_two_voices_are_told_apart_and_all_ways_are_in_the_document(tmp_path: Path) -> None:
    heard = hear(sample())
    mfcc = MfccEncoder(heard.sounds, cut=0.2, new_speaker=0.3)
    scores: dict[tuple[str, str], Score] = {}
    for way, steps in _ways(heard, ResemblyzerEncoder(), mfcc, {"embed": 0.0, "tell": 0.0, "pass": 0.0}):
        scores["sample", way] = Score()
        score(scores["sample", way], heard, steps)
    nothing = Segmented({}, (), looks=0, looks_s=0.0, parts_s=0.0)
    score_segmented(scores, heard, ResemblyzerEncoder.info, nothing)
    assert {way for _, way in scores} == set(WAYS)
    assert scores["sample", "segmented_last"] == scores["sample", "last"]
    for way in ("live", "last", "last_count_known", "right"):
        assert scores["sample", way].errors[0].confused_s == 0
        assert scores["sample", way].count_errors == [0]
    assert scores["sample", "one_speaker"].errors[0].confusion > 0.3
    assert scores["sample", "per_utterance"].count_errors[0] > 0
    figures = Figures("speakers", "Speakers")
    _figures(figures, scores)
    assert json.loads(figures.write(tmp_path).read_text())["figures"]["sample_live_confusion"] == 0
    assert "| sample | " in report(tmp_path)


async def test_without_recordings_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARSHOT_TEST_DATA", raising=False)
    figures = Figures("speakers", "Speakers")
    await measure(figures, quick=True)
    assert figures.notes
    assert not figures.values


@pytest.mark.speech
@pytest.mark.skipif(folder() is None, reason="EARSHOT_TEST_DATA names no recordings")
def test_conversations_are_the_same_each_time_and_as_described() -> None:
    first, again = ([*conversations("dev", ("2 voices",))] for _ in range(2))
    assert len(first) == len(KINDS["2 voices"].speakers)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert one.spoken == other.spoken
        assert len({who for _, _, who in one.spoken}) == 2
        assert one.spoken[-1][1] * 16_000 < len(one.samples)
