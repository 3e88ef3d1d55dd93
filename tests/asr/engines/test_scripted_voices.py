from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.engines.scripted import ScriptedEngine, hear
from asr.engines.scripted_voices import FAULTY_VOICE, HUMS_HZ, INFO, ScriptedEncoder, missing
from asr.speakers.windows import Levels
from protocol.errors import EngineFailed, ModelDamaged
from tests.fakes.scripted_sound import scripted_sound, sentence

WORDS = sentence("good morning river")


def window(voice: int | None) -> np.ndarray:
    return np.frombuffer(scripted_sound(WORDS, voice=voice), "<i2")


def test_voices_are_far_apart_whatever_they_say_and_however_loud() -> None:
    rows = ScriptedEncoder().embed([window(voice) for voice in (*range(len(HUMS_HZ)), None)])
    assert rows.shape == (INFO.dim, INFO.dim)
    assert np.allclose(rows @ rows.T, np.eye(INFO.dim), atol=0.05)
    quiet = np.round(window(1) * 0.02).astype(np.int16)
    assert ScriptedEncoder().embed([Levels().normal(quiet)])[0] @ rows[1] > 0.95


def test_the_hum_changes_no_word() -> None:
    heard = [word.text for word in hear(window(3), 0)]
    assert heard == [text for text, _ in WORDS]


@pytest.mark.parametrize("samples", [1, 319, 16_000])
def test_silence_and_next_to_nothing_have_a_direction(samples: int) -> None:
    [row] = ScriptedEncoder().embed([np.zeros(samples, np.int16)])
    assert np.linalg.norm(row) == pytest.approx(1.0)


def test_faults_are_of_one_voice() -> None:
    raising = ScriptedEncoder("scripted-voices-raise")
    raising.embed([window(0)])
    with pytest.raises(EngineFailed):
        raising.embed([window(FAULTY_VOICE)])
    with pytest.raises(MemoryError):
        ScriptedEncoder("scripted-voices-oom").embed([window(FAULTY_VOICE)])
    assert np.isnan(ScriptedEncoder("scripted-voices-nan").embed([window(FAULTY_VOICE)])).any()
    with pytest.raises(ModelDamaged):
        ScriptedEncoder("scripted-voices-broken")
    assert missing("scripted-voices-missing")
    assert not missing("scripted")


def test_the_engine_does_not_mind_their_names(tmp_path: Path) -> None:
    assert ScriptedEngine("scripted-voices-crash-2", tmp_path).info.workers_max == 2
