"""The voices of one session by themselves: what is planned of its speech, and who is forgotten again."""

from __future__ import annotations

import numpy as np

from asr import wire
from asr.contract import SessionOptions
from asr.engines.scripted_voices import INFO
from asr.speakers.contract import Embeddings, SpeechWindow
from asr.speakers.segmentation import Segmentation
from asr.speakers.windows import SpeechWindows
from asr.track_voices import TrackVoices
from asr.utterances import Utterance
from asr.voice_prints import packed_mean
from protocol.words import Word

NOISE = 25_600  # samples: each window of it holds its middle
ROWS = np.eye(INFO.dim, dtype=np.float32)
A_CHANGE = Segmentation((NOISE // 2,))


def voices_of(*heard: Embeddings) -> TrackVoices:
    """Of a session in which these were heard before."""
    known = tuple(wire.HeardVoice(number=n, embedding=packed_mean(row)) for n, row in enumerate(heard))
    options = SessionOptions(diarize=True)
    opened = wire.Open(session_id="s", generation=1, start_samples=0, options=options, voices=known, encoder=INFO.name)
    return TrackVoices(INFO, opened)


def planned(voices: TrackVoices, start_samples: int, end_samples: int) -> list[SpeechWindow]:
    speech = SpeechWindows(INFO)
    windows = [*speech.take([(start_samples, end_samples)], end_samples), *speech.finish()]
    voices._due(windows, 0.0)
    return windows


def utterance(start_samples: int, end_samples: int) -> Utterance:
    return Utterance(start_samples, end_samples, ((start_samples, end_samples),))


def test_of_windows_that_are_left_out_no_parts_are_due() -> None:
    for found_before in (False, True):
        voices = voices_of()
        assert len(planned(voices, 0, NOISE)) == 4
        if found_before:
            voices.changes(0, (0, NOISE), A_CHANGE)
            assert voices.parts_due()
        assert voices.thin(NOISE, 2) == 2
        if not found_before:
            voices.changes(0, (0, NOISE), A_CHANGE)
        assert voices.parts_due() == []


def test_who_was_heard_in_mixed_windows_of_noise_alone_is_forgotten_and_nobody_else() -> None:
    voices = voices_of(ROWS[0])
    for window in planned(voices, 0, NOISE):
        voices.embedded(window, ROWS[1])
    voices.changes(0, (0, NOISE), A_CHANGE)
    for part in voices.parts_due():
        voices.part_embedded(part, ROWS[0])
    assert voices.said(utterance(0, NOISE), ()) == ()
    assert voices.forget(utterance(0, NOISE), had_words=False) is None

    begin, end = 2 * NOISE, 4 * NOISE
    for at, window in enumerate(planned(voices, begin, end)):
        voices.embedded(window, ROWS[2] if at < 4 else ROWS[0])
    words = [Word(text="one", start_samples=begin, end_samples=begin + NOISE // 2)]
    words.append(Word(text="two", start_samples=end - NOISE // 2, end_samples=end))
    assert [(spoke.voice, spoke.words) for spoke in voices.said(utterance(begin, end), words)] == [(1, 1), (0, 1)]
