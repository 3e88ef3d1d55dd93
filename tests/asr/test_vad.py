from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.contract import Samples
from asr.renewal import RENEW_FRAMES, lead_start
from asr.utterances import FRAME_SAMPLES
from asr.vad import _WHEELS, EnergyVoiceActivity, SileroVoiceActivity, levels, silero_path
from tests.fakes.spoken_sample import spoken_sample


def noise(frames: int, level: float, seed: int = 1) -> Samples:
    return (np.random.default_rng(seed).standard_normal(frames * FRAME_SAMPLES) * level).astype(np.int16)


def voice(frames: int) -> Samples:
    return spoken_sample().samples[16_000:][: frames * FRAME_SAMPLES]


@pytest.fixture(scope="module")
def silero() -> SileroVoiceActivity:
    return SileroVoiceActivity()


def test_silence_and_hiss_hold_no_voice(silero: SileroVoiceActivity) -> None:
    sounds = [np.zeros(40 * FRAME_SAMPLES, np.int16), noise(40, 200)]
    for probabilities in silero.listen([(silero.open(), sound) for sound in sounds]):
        assert max(probabilities[5:]) < 0.35


def test_sessions_do_not_hear_each_other(silero: SileroVoiceActivity) -> None:
    sounds = [voice(20), noise(31, 3000), np.zeros(7 * FRAME_SAMPLES, np.int16), voice(3)]
    together = silero.listen([(silero.open(), sound) for sound in sounds])
    for sound, probabilities in zip(sounds, together, strict=True):
        [alone] = silero.listen([(silero.open(), sound)])
        assert probabilities == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("wheel", _WHEELS, ids=[name for name, _ in _WHEELS])
def test_sound_may_come_in_pieces(wheel: tuple[str, str]) -> None:
    path = Path(silero_path()).parents[2] / wheel[1]
    if not path.is_file():
        pytest.skip(f"{wheel[0]} is not installed")
    silero = SileroVoiceActivity(path)
    sound = voice(24)
    [whole] = silero.listen([(silero.open(), sound)])
    state = silero.open()
    pieces: list[float] = []
    for piece in np.split(sound, [FRAME_SAMPLES, 4 * FRAME_SAMPLES, 11 * FRAME_SAMPLES]):
        pieces += silero.listen([(state, piece)])[0]
    assert pieces == pytest.approx(whole, abs=1e-5)
    assert max(whole) > 0.5


def test_the_order_and_company_of_sessions_do_not_matter(silero: SileroVoiceActivity) -> None:
    """Forty turns of seven sessions, each with other numbers of frames, against each session at once and alone."""
    random = np.random.default_rng(3)
    sounds = [np.roll(voice(60), 7000 * i) if i % 2 else noise(60, 400 * i, seed=i) for i in range(7)]
    states, done, told = [silero.open() for _ in sounds], [0] * 7, [[] for _ in sounds]  # type: ignore[var-annotated]
    while min(done) < 60:
        order = random.permutation(7)
        counts = [min(int(random.integers(0, 5)), 60 - done[i]) for i in order]
        pieces = [sounds[i][done[i] * FRAME_SAMPLES :][: n * FRAME_SAMPLES] for i, n in zip(order, counts, strict=True)]
        answers = silero.listen([(states[i], piece) for i, piece in zip(order, pieces, strict=True)])
        for i, n, answer in zip(order, counts, answers, strict=True):
            done[i] += n
            told[i] += answer
    for sound, probabilities in zip(sounds, told, strict=True):
        [alone] = silero.listen([(silero.open(), sound)])
        assert probabilities == pytest.approx(alone, abs=1e-5)


def test_nothing_to_listen_to(silero: SileroVoiceActivity) -> None:
    assert silero.listen([]) == []
    assert silero.listen([(silero.open(), np.zeros(0, np.int16))]) == [[]]


def test_energy_takes_sound_for_voice() -> None:
    energy = EnergyVoiceActivity()
    sound = np.concatenate([np.zeros(FRAME_SAMPLES, np.int16), noise(1, 1000)])
    assert energy.listen([(energy.open(), sound)]) == [[0.0, 1.0]]
    assert levels(np.full(FRAME_SAMPLES, 100, np.int16)) == [100.0]


@pytest.mark.parametrize("start_samples", [0, 12_345, 98_303, 98_304, 150_000, 170_111])
def test_whoever_goes_on_with_a_track_hears_what_would_have_been_heard(
    silero: SileroVoiceActivity, start_samples: int
) -> None:
    frames = 3 * RENEW_FRAMES
    sound = np.resize(spoken_sample().samples, frames * FRAME_SAMPLES)
    [whole] = silero.listen([(silero.open(), sound)])
    first = lead_start(start_samples) // FRAME_SAMPLES
    [again] = silero.listen([(silero.open(first), sound[first * FRAME_SAMPLES :])])
    frame = start_samples // FRAME_SAMPLES
    assert again[frame - first :] == pytest.approx(whole[frame:], abs=1e-5)
    if first:
        assert again != pytest.approx(whole[first:], abs=1e-3), "the lead is there for something"


def test_who_begins_between_two_renewals_hears_the_next(silero: SileroVoiceActivity) -> None:
    """As after a frame that could not be heard."""
    sound = np.resize(spoken_sample().samples, 3 * RENEW_FRAMES * FRAME_SAMPLES)
    [whole] = silero.listen([(silero.open(), sound)])
    [again] = silero.listen([(silero.open(70), sound[70 * FRAME_SAMPLES :])])
    assert again[-RENEW_FRAMES:] == pytest.approx(whole[-RENEW_FRAMES:], abs=1e-5)
