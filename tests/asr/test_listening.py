from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr import wire
from asr.contract import Samples, SessionOptions
from asr.hearing import Hearing
from asr.listening import FRAMES_AT_ONCE_MAX, OWED_MAX, ListeningSession
from asr.renewal import lead_start
from asr.utterances import FRAME_SAMPLES, Utterance
from asr.vad import SileroVoiceActivity
from tests.fakes.spoken_sample import read_sound, spoken_sample

VOICE, SILENCE = 0.9, 0.1


def session(start_samples: int = 0) -> ListeningSession:
    opened = wire.Open(session_id="s", generation=4, start_samples=start_samples, options=SessionOptions())
    return ListeningSession(opened, None, silence_samples=16 * FRAME_SAMPLES, max_samples=20 * 16_000)


def pcm(frames: int) -> bytes:
    return bytes(2 * frames * FRAME_SAMPLES)


def listen(s: ListeningSession, probability: float) -> int:
    """Listen to what it offers, answering the same for each frame; returns how many there were."""
    count = len(s.frames()) // FRAME_SAMPLES
    s.listened([probability] * count, [1.0] * count, now_s=5.0)
    return count


def test_frames_are_whole_and_few_at_once() -> None:
    s = session(100)
    s.take(100, pcm(FRAMES_AT_ONCE_MAX + 1) + b"\0\0")
    assert [listen(s, SILENCE) for _ in range(3)] == [FRAMES_AT_ONCE_MAX, 1, 0]
    assert s.backlog_samples == 1


def test_settled_sound_is_forgotten_and_told_every_200_ms() -> None:
    s = session()
    told = []
    for i in range(50):
        s.take(i * FRAME_SAMPLES, pcm(1))
        listen(s, SILENCE)
        s.forget_settled()
        settled = s.settled()
        if settled is not None:
            told.append(settled)
    assert len(told) == 50 // 7
    assert (told[-1].session_id, told[-1].generation) == ("s", 4)
    assert s.settled(now=True) is not None
    assert s.settled(now=True) is None
    with pytest.raises(AssertionError):
        s.sound(0, 100)


def test_it_does_not_listen_far_ahead_of_its_words() -> None:
    s = session()
    at = 0
    for _ in range(OWED_MAX):
        for frames, probability in ((10, VOICE), (16, SILENCE)):
            s.take(at, pcm(frames))
            at += frames * FRAME_SAMPLES
            assert listen(s, probability) == frames
    s.take(at, pcm(5))
    assert listen(s, SILENCE) == 0
    assert s.settled_samples == 0
    s.owed.popleft()
    assert listen(s, SILENCE) == 5


def test_a_marker_is_owed_behind_the_utterance_it_ended() -> None:
    s = session()
    s.take(0, pcm(10) + b"\0\0")
    s.finalize(7)
    s.take(10 * FRAME_SAMPLES + 1, pcm(3))
    listen(s, VOICE)
    utterance, marker = s.owed
    assert utterance.utterance is not None
    assert utterance.utterance.end_samples == 10 * FRAME_SAMPLES + 1
    assert marker.marker == 7
    assert listen(s, VOICE) == 3  # the frame that lay across the end is heard too


@pytest.mark.parametrize(("start", "data"), [(1, b"\0\0"), (0, b"\0")])
def test_sound_with_a_hole_or_half_a_sample_is_refused(start: int, data: bytes) -> None:
    with pytest.raises(wire.FrameError):
        session().take(start, data)


def heard(hearing: Hearing, sound: Samples, start_samples: int) -> tuple[list[Utterance], list[int]]:
    """The utterances of ``sound``, by a session that is opened at ``start_samples``; and all that was settled."""
    first_samples = lead_start(start_samples)
    opened = wire.Open(
        session_id="s",
        generation=1,
        start_samples=start_samples,
        lead_samples=start_samples - first_samples,
        options=SessionOptions(),
    )
    session = ListeningSession(opened, hearing.open(first_samples), silence_samples=9600, max_samples=7 * 16_000)
    ended, settled = [], [start_samples]
    for at in range(first_samples, len(sound) - 320, 320):
        session.take(at, sound[at : at + 320].tobytes())
        if session.ready_frames:
            probabilities, levels = hearing.listen([(session, session.frames())])["s"]
            session.listened(probabilities, levels, 0.0)
            ended += [owed.utterance for owed in session.owed if owed.utterance is not None]
            session.owed.clear()
            settled.append(session.settled_samples)
    return ended, settled


@pytest.fixture(scope="module")
def hearing() -> Hearing:
    return Hearing(SileroVoiceActivity(), lambda message: None)


def require_the_same_after_restarts(hearing: Hearing, sound: Samples, restarts: int) -> None:
    """To the sample, wherever the one before was ended: else a recogniser hears other words behind it."""
    utterances, settled = heard(hearing, sound, 0)
    assert len(utterances) > 5
    for start_samples in np.random.default_rng(7).choice(sorted(set(settled)), restarts, replace=False).tolist():
        again, _ = heard(hearing, sound, start_samples)
        assert again == [one for one in utterances if one.start_samples >= start_samples], start_samples


def test_whoever_goes_on_with_a_track_hears_the_same_utterances(hearing: Hearing) -> None:
    require_the_same_after_restarts(hearing, spoken_sample().samples, 12)


def test_also_where_people_read_aloud_with_few_pauses(hearing: Hearing, speech_data: Path) -> None:
    path = speech_data / "speech" / "longform" / "ls_other_2609-156975.flac"
    require_the_same_after_restarts(hearing, read_sound(path)[: 60 * 16_000], 12)
