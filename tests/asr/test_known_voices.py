from __future__ import annotations

import numpy as np
import pytest

from asr.known_voices import ENROLLED_MAX, VOICES_MAX, KnownVoices
from asr.voice_prints import mean_of, packed_mean, packed_prints
from asr.wire import HeardVoice, Spoke, VoicePrints


def voice(number: int | None, direction: int, heard_samples: int = 16_000, name: str | None = None) -> HeardVoice:
    row = np.eye(4, dtype=np.float32)[direction]
    return HeardVoice(number=number, embedding=packed_mean(row), heard_samples=heard_samples, name=name)


def prints(*steps: tuple[int, int, int, int], encoder: str = "e") -> VoicePrints:
    """Of each step its times, its voice, and its direction."""
    rows = np.eye(4, dtype=np.float32)[[direction for *_, direction in steps]]
    return VoicePrints(
        session_id="s",
        generation=1,
        encoder=encoder,
        dim=4,
        steps=tuple((start, end, number) for start, end, number, _ in steps),
        embeddings=packed_prints(rows),
    )


def test_a_voice_is_the_mean_of_what_was_heard_of_it() -> None:
    known = KnownVoices([voice(0, 0, heard_samples=6000)], "e")
    known.take(prints((0, 6000, 0, 1), (6000, 9000, 2, 3)))
    known.take(prints((9000, 10_000, 2, 3)))
    first, second = known.told()
    assert (first.number, first.heard_samples, second.number, second.heard_samples) == (0, 12_000, 2, 4000)
    assert np.allclose(mean_of(first.embedding), [0.707, 0.707, 0, 0], atol=1e-2)
    assert np.allclose(mean_of(second.embedding), [0, 0, 0, 1], atol=1e-2)
    assert known.encoder == "e"


def test_another_encoder_begins_anew() -> None:
    known = KnownVoices([voice(0, 0), voice(None, 1, name="Anna")], "e")
    known.take(prints((0, 6000, 1, 1), encoder="f"))
    assert [(each.number, each.name) for each in known.told()] == [(1, None)]
    assert known.encoder == "f"


def test_an_enrolled_voice_is_told_until_it_has_a_number() -> None:
    known = KnownVoices([voice(None, 1, name="Anna"), voice(None, 2, name="Ben")], "e")
    known.take(prints((0, 6000, 0, 1)))
    assert [(each.number, each.name) for each in known.told()] == [(0, None), (None, "Anna"), (None, "Ben")]
    known.called([Spoke(voice=0, words=1, confidence=0.5, name="Anna"), Spoke(voice=7, words=1, confidence=0.5)])
    assert [(each.number, each.name) for each in known.told()] == [(0, "Anna"), (None, "Ben")]


def test_what_is_kept_is_bounded() -> None:
    enrolled = [voice(None, 0, name=str(i)) for i in range(ENROLLED_MAX + 1)]
    known = KnownVoices([*(voice(i, 0) for i in range(VOICES_MAX + 1)), *enrolled], "e")
    known.take(prints((0, 6000, 1000, 1)))
    assert len(known.told()) == VOICES_MAX + ENROLLED_MAX


@pytest.mark.parametrize("embedding", [packed_mean(np.zeros(4, np.float32)), b""])
def test_a_damaged_voice_is_left_out(embedding: bytes) -> None:
    known = KnownVoices([HeardVoice(number=0, embedding=embedding), voice(1, 1)], "e")
    assert [each.number for each in known.told()] == [1]


def test_prints_that_do_not_fit_their_steps_are_refused() -> None:
    known = KnownVoices()
    with pytest.raises(ValueError, match="as many prints"):
        known.take(prints((0, 1, 0, 0)).model_copy(update={"steps": ()}))
    assert known.told() == ()


def test_what_a_pass_found_takes_the_place_of_what_it_heard() -> None:
    known = KnownVoices([voice(0, 0), voice(1, 1), voice(2, 2), voice(None, 3, name="Anna")], "e")
    assert known.found([voice(0, 1, heard_samples=5000), voice(7, 3, name="Anna")], {1}, "e")
    told = known.told()
    assert [(each.number, each.name) for each in told] == [(0, None), (2, None), (7, "Anna")]
    assert (int(mean_of(told[0].embedding).argmax()), told[0].heard_samples) == (1, 5000)
    assert not known.found([voice(0, 3)], {2}, "f")
    assert known.told() == told
