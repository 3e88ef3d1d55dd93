"""Voices that were known before, and what fails in telling them apart: it costs voices, and never a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from asr import wire
from asr.contract import Samples, SessionOptions
from asr.engines.scripted_voices import FAULTY_VOICE, ScriptedEncoder
from asr.speakers.contract import Embeddings
from asr.speakers.online import OnlineSpeakers
from asr.voice_prints import packed_mean
from tests.asr.voices_bench import FIRST, LIVE, OF_FILE, SECOND, TALK, VoicesBench, as_expected, said_by


def known(number: int | None, hum: int, name: str | None = None) -> wire.HeardVoice:
    row = np.zeros(7, np.float32)
    row[hum] = 1.0
    return wire.HeardVoice(number=number, embedding=packed_mean(row), heard_samples=160_000, name=name)


@pytest.mark.parametrize(
    ("voices", "encoder", "numbers", "names"),
    [
        ((known(4, 1), known(2, 0)), "scripted", (2, 4), (None, None)),
        ((known(0, 1, "Anna"),), "scripted", (1, 0), (None, "Anna")),
        ((known(None, 1, "Anna"),), "scripted", (0, 1), (None, "Anna")),
        ((known(4, 1), known(2, 0)), "another", (5, 6), (None, None)),
    ],
)
def test_a_voice_that_was_known_keeps_its_number_and_its_name(
    voices: tuple[wire.HeardVoice, ...], encoder: str, numbers: tuple[int, int], names: tuple[str | None, str | None]
) -> None:
    bench = VoicesBench()
    bench.loop.take(
        wire.Open(session_id="s", generation=1, start_samples=0, options=LIVE, voices=voices, encoder=encoder)
    )
    bench.live(said_by(*TALK))
    [final] = bench.finals()
    assert [(one.voice, one.name) for one in final.spoke] == list(zip(numbers, names, strict=True))


def test_there_are_no_more_speakers_than_are_expected() -> None:
    bench = VoicesBench()
    bench.open(options=SessionOptions(diarize=True, speakers_expected=1))
    bench.live(said_by(*TALK))
    assert {voice for _, voice in bench.whose()} == {0}


FAULTY = ((FAULTY_VOICE, FIRST), (1, SECOND))


@pytest.mark.parametrize("fault", ["raise", "nan", "oom"])
@pytest.mark.parametrize("lane", ["live", "file"])
def test_sound_that_the_encoder_does_not_bear_costs_its_own_session_its_voices_and_no_word(
    fault: str, lane: str
) -> None:
    bench = VoicesBench(encoder_model=f"scripted-voices-{fault}")
    for name in "ab":
        bench.open(name, SessionOptions(diarize=True, lane=lane))
    sounds = {"a": said_by(*FAULTY, *TALK), "b": said_by(*TALK, *TALK)}
    for at in range(0, len(sounds["a"]) // 2, 1600):
        bench.now_s += 0.1
        for name, pcm in sounds.items():
            bench.audio(at, pcm[2 * at : 2 * (at + 1600)], name)
        bench.idle()
    for name in "ab":
        bench.finalize(1, name)
    bench.idle()
    assert [word.text for word in bench.words("a")] == [text for text, _ in as_expected(*FAULTY, *TALK)]
    assert all(not heard.spoke for heard in bench.finals("a"))
    assert bench.whose("b") == as_expected(*TALK, *TALK)
    assert bench.pong().voice_failures == 1
    assert not bench.loop.stopped


def test_an_encoder_that_fails_on_everybody_is_left_alone() -> None:
    bench = VoicesBench(encoder_model="scripted-voices-raise")
    for name in "abcd":
        bench.open(name, LIVE)
        bench.live(said_by((FAULTY_VOICE, FIRST)), name=name)
        assert [word.text for word in bench.words(name)] == FIRST.split()
    pong = bench.pong()
    assert pong.voice_failures == 3  # nobody asked it a fourth time
    assert "encoder" in pong.no_encoder


class Strange(ScriptedEncoder):
    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        return np.ones((len(windows) + 1, 3), np.float32)


def test_an_answer_of_another_shape_is_a_failure() -> None:
    bench = VoicesBench(load=lambda _: Strange())
    bench.open(options=LIVE)
    bench.live(said_by(*TALK))
    assert len(bench.words()) == 12
    assert bench.pong().voice_failures == 1


def test_speakers_that_cannot_be_found_cost_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(OnlineSpeakers, "push", fails)
    bench = VoicesBench()
    bench.open(options=LIVE)
    bench.live(said_by(*TALK))
    assert len(bench.words()) == 12
    assert not bench.prints()
    assert bench.pong().voice_failures == 1


def test_an_encoder_that_does_not_load_costs_no_word_and_is_told() -> None:
    bench = VoicesBench(encoder_model="scripted-voices-broken")
    bench.open(options=LIVE)
    bench.open("file", OF_FILE)
    bench.audio(0, said_by(*TALK), "file")
    bench.finalize(1, "file")
    bench.live(said_by(*TALK))
    assert len(bench.words()) == len(bench.words("file")) == 12
    assert "asked not to load" in bench.pong().no_encoder
    assert [each.over for each in bench.of(wire.EncoderLoading)] == [False, True]


def test_each_step_says_whose_voices_it_tells_and_never_that_of_words() -> None:
    bench = VoicesBench()
    bench.open(options=LIVE)
    bench.live(said_by(*TALK))
    kinds = (wire.Working, wire.Beside)
    steps = [i for i, message in enumerate(bench.said) if isinstance(message, kinds) and message.voices]
    assert len(steps) == len(bench.encoder.steps)
    beside = [bench.said[i + 1] == wire.Beside(voices=()) for i in steps]
    assert any(beside)
    for i, is_beside in zip(steps, beside, strict=True):
        voices = (("s", 1),)
        assert bench.said[i] == (wire.Beside(voices=voices) if is_beside else wire.Working(sessions=(), voices=voices))
        after = bench.said[i + 1 + is_beside]
        assert isinstance(after, wire.Ran)
        assert after.kind == "voices"
