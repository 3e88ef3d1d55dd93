from __future__ import annotations

from pathlib import Path

import pytest

from server.commands.failure import CommandFailed
from server.load.sound import PAUSE_SAMPLES, load_sound
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "said.wav"
    path.write_bytes(wav_of(scripted_sound(sentence("alpha bravo"), length_s=2.01)))
    return path


def test_a_round_is_the_sound_and_a_pause_in_whole_frames(recording: Path, tmp_path: Path) -> None:
    words = tmp_path / "said.txt"
    words.write_text("Alpha, bravo!")
    sound = load_sound(recording, words, 60.0)
    assert sound.text == ("alpha", "bravo")
    assert sound.round_samples % 320 == 0
    assert sound.round_samples == pytest.approx(2.01 * 16_000 + PAUSE_SAMPLES, abs=320)
    assert [sound.rounds_in(seconds) for seconds in (1, 3.5, 7, 35)] == [1, 1, 2, 10]
    size = len(sound.pcm)
    assert sound.piece(sound.round_samples - 100, 300) == sound.pcm[size - 200 :] + sound.pcm[:400]


def test_a_longer_sound_is_cut_and_its_words_are_not_known_then(recording: Path, tmp_path: Path) -> None:
    sound = load_sound(recording, None, 3.0)
    assert sound.is_cut
    assert sound.round_s == 3.0
    words = tmp_path / "said.txt"
    words.write_text("alpha bravo")
    with pytest.raises(CommandFailed, match="--duration"):
        load_sound(recording, words, 3.0)


def test_the_sample_brings_its_words() -> None:
    assert len(load_sound(None, None, 60.0).text) == 74
    assert load_sound(None, None, 10.0).text == ()


def test_silence_is_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    path.write_bytes(wav_of(bytes(32_000)))
    with pytest.raises(CommandFailed, match="no sound"):
        load_sound(path, None, 60.0)
