"""Recorded conversations through the inference process with the encoder as it is: whose each word is said to be."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr import wire
from asr.contract import SessionOptions
from asr.engines.choose import choose
from asr.engines.choose_encoder import choose_encoder
from asr.voice_prints import packed_mean
from asr.worker_settings import WorkerSettings
from protocol.words import Word
from tests.fakes.spoken_sample import read_sound, spoken_sample
from tests.fakes.tiny_encoder import build_tiny_encoder
from tests.fakes.worker_link import WorkerLink, finals

Turn = tuple[float, float, str]
LENGTH_S = 25


@pytest.fixture(autouse=True)
def _encoder() -> None:
    if reason := choose_encoder(choose("embedded-en", "en", Path()), Path()).reason:
        pytest.skip(reason)


def heard(pcm: bytes, tmp_path: Path, **opened: Any) -> tuple[wire.Ready, list[wire.FromWorker]]:
    settings = WorkerSettings(engine="embedded-en", models_dir=tmp_path)
    with WorkerLink(settings, timeout_s=300.0) as link:
        link.open(options=SessionOptions(lane="file", diarize=True, interim=False), **opened)
        for at in range(0, len(pcm) // 2, 16_000):
            link.audio(at, pcm[2 * at : 2 * (at + 16_000)])
        link.finalize()
        messages = link.until(lambda message: isinstance(message, wire.Marker))
    assert isinstance(messages[0], wire.Ready)
    return messages[0], messages


def by_voice(messages: list[wire.FromWorker]) -> list[tuple[Word, int]]:
    told = []
    for final in finals(messages):
        voices = [one.voice for one in final.spoke for _ in range(one.words)]
        told += list(zip(final.words, voices, strict=True))
    return told


def right_share(told: list[tuple[Word, int]], turns: list[Turn]) -> float:
    """Of the words in somebody's turn, with each voice given to the speaker that suits best."""
    counts: Counter[tuple[int, str]] = Counter()
    for word, voice in told:
        at_s = (word.start_samples + word.end_samples) / 32_000
        who = {speaker for start_s, end_s, speaker in turns if start_s <= at_s < end_s}
        if len(who) == 1:
            counts[voice, who.pop()] += 1
    voices, speakers = sorted({voice for voice, _ in counts}), sorted({speaker for _, speaker in counts})
    padded = [*speakers, *[""] * len(voices)]
    best = max(
        sum(counts[pair] for pair in zip(voices, chosen, strict=False)) for chosen in permutations(padded, len(voices))
    )
    return best / counts.total()


def test_the_words_of_a_conversation_are_whose_they_were(speech_data: Path, tmp_path: Path) -> None:
    folder, name = speech_data / "diarization/constructed", "conv3"
    ready, messages = heard(read_sound(folder / f"{name}.flac")[: 16_000 * LENGTH_S].tobytes(), tmp_path)
    turns = [
        (float(row[3]), float(row[3]) + float(row[4]), row[7])
        for row in map(str.split, (folder / f"{name}.tight.rttm").read_text().splitlines())
        if float(row[3]) + float(row[4]) < LENGTH_S
    ]
    assert ready.encoder == "resemblyzer"
    told = by_voice(messages)
    assert right_share(told, turns) >= 0.8
    prints = [message for message in messages if isinstance(message, wire.VoicePrints)]
    assert {each.dim for each in prints} == {256}
    spoken_samples = sum(end - start for each in prints for start, end, _ in each.steps)
    assert spoken_samples >= 0.7 * sum(end_s - start_s for start_s, end_s, _ in turns) * 16_000


def test_the_sample_that_comes_along_has_two_voices(tmp_path: Path) -> None:
    _, messages = heard(spoken_sample().samples.tobytes(), tmp_path)
    turns = [(start_s, end_s, "ab"[i % 2]) for i, (start_s, end_s, _) in enumerate(spoken_sample().turns)]
    assert right_share(by_voice(messages), turns) >= 0.9


def test_a_fetched_encoder_hears_them_and_knows_nothing_of_what_the_embedded_one_heard(tmp_path: Path) -> None:
    build_tiny_encoder(tmp_path / "campplus", "campplus")
    sound = spoken_sample().samples.tobytes()
    mean = packed_mean(np.full(256, 1 / 16, np.float32))
    before = tuple(wire.HeardVoice(number=number, embedding=mean, heard_samples=16_000) for number in (0, 1))
    ready, messages = heard(sound, tmp_path, voices=before, encoder="resemblyzer")
    assert ready.encoder == "campplus"
    prints = [message for message in messages if isinstance(message, wire.VoicePrints)]
    assert {(each.encoder, each.dim) for each in prints} == {("campplus", 192)}
    assert {voice for each in prints for _, _, voice in each.steps}.isdisjoint({0, 1})
    assert all(final.spoke for final in finals(messages))
