from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.utterances import FRAME_SAMPLES, PRE_ROLL_SAMPLES, TAIL_SAMPLES, Utterance, Utterances

SILENCE_FRAMES = 16
MAX_SAMPLES = 20 * 16_000


def gate(start_samples: int = 0, *, max_samples: int = MAX_SAMPLES, lead_samples: int = 0) -> Utterances:
    silence_samples = SILENCE_FRAMES * FRAME_SAMPLES
    return Utterances(
        start_samples, silence_samples=silence_samples, max_samples=max_samples, lead_samples=lead_samples
    )


def feed(utterances: Utterances, pattern: str, level: float = 1000.0) -> list[Utterance]:
    """``#`` is a voiced frame, ``~`` one that only keeps speech going, anything else silence."""
    ended = []
    for c in pattern:
        probability = {"#": 0.9, "~": 0.4}.get(c, 0.1)
        utterance = utterances.feed(probability, level if c != "." else 1.0)
        if utterance is not None:
            ended.append(utterance)
    return ended


def test_silence_is_nothing_and_settles_behind_the_pre_roll() -> None:
    utterances = gate()
    assert feed(utterances, "." * 100) == []
    assert utterances.open_samples is None
    assert utterances.settled_samples == 100 * FRAME_SAMPLES - PRE_ROLL_SAMPLES


def test_an_utterance_has_its_pre_roll_and_its_tail() -> None:
    utterances = gate()
    [utterance] = feed(utterances, "." * 50 + "#" * 10 + "." * 16)
    assert utterance.start_samples == 50 * FRAME_SAMPLES - PRE_ROLL_SAMPLES
    assert utterance.end_samples == 60 * FRAME_SAMPLES + TAIL_SAMPLES
    assert utterance.voiced == ((50 * FRAME_SAMPLES, 60 * FRAME_SAMPLES),)
    assert utterances.settled_samples >= utterance.end_samples


def test_a_click_is_no_utterance() -> None:
    utterances = gate()
    assert feed(utterances, "." * 50 + "##" + "." * 50) == []


def test_a_weak_frame_keeps_speech_going_but_does_not_begin_it() -> None:
    utterances = gate()
    assert feed(utterances, "~" * 50) == []
    assert utterances.open_samples is None
    feed(utterances, "####")
    opened = utterances.open_samples
    assert feed(utterances, "~" * 100) == []
    assert utterances.open_samples == opened is not None


def test_a_pause_shorter_than_the_silence_does_not_end_it() -> None:
    utterances = gate()
    assert feed(utterances, "####" + "." * 15 + "####") == []
    [utterance] = feed(utterances, "." * 16)
    assert len(utterance.voiced) == 2


def test_pre_roll_never_reaches_into_the_utterance_before() -> None:
    utterances = gate()
    first, second = feed(utterances, "#" * 5 + "." * 17 + "#" * 5 + "." * 16)
    assert second.start_samples >= first.end_samples


def test_a_long_utterance_is_cut_where_it_was_quietest() -> None:
    utterances = gate(max_samples=100 * FRAME_SAMPLES)
    ended = feed(utterances, "#" * 70) + feed(utterances, "#" * 3, level=10.0) + feed(utterances, "#" * 40)
    [first] = ended
    assert 70 * FRAME_SAMPLES < first.end_samples < 73 * FRAME_SAMPLES
    assert utterances.open_samples == first.end_samples
    [second] = feed(utterances, "." * 16)
    assert second.start_samples == first.end_samples


def test_finalize_ends_what_is_open_at_the_position() -> None:
    utterances = gate()
    feed(utterances, "#" * 10)
    position = utterances.listened_samples + 17
    utterance = utterances.finalize(position)
    assert utterance is not None
    assert utterance.end_samples == position
    assert utterances.settled_samples == position
    assert utterances.finalize(position) is None


def test_finalize_in_silence_is_nothing() -> None:
    utterances = gate(start_samples=160)
    feed(utterances, "." * 10)
    assert utterances.finalize(utterances.listened_samples) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 30_000)), max_size=400), st.integers(10, 60))
def test_utterances_are_ordered_bounded_and_never_taken_back(frames: list[tuple[float, float]], cap: int) -> None:
    utterances = gate(640, max_samples=cap * FRAME_SAMPLES)
    end, settled = 640, 640
    for probability, level in frames:
        utterance = utterances.feed(probability, level)
        if utterance is not None:
            assert end <= utterance.start_samples < utterance.end_samples <= utterances.listened_samples
            assert utterance.end_samples - utterance.start_samples <= cap * FRAME_SAMPLES
            assert utterance.voiced
            assert settled <= utterance.start_samples
            end = utterance.end_samples
        assert settled <= utterances.settled_samples <= utterances.listened_samples
        settled = utterances.settled_samples
        if utterances.open_samples is not None:
            assert utterances.open_samples < utterances.speech_end_samples <= utterances.listened_samples


VERDICTS = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 9)), min_size=1, max_size=40)


@given(VERDICTS, st.integers(20, 80), st.data())
def test_whoever_goes_on_from_what_is_settled_hears_the_same_utterances(
    runs: list[tuple[bool, int, int]], cap: int, data: st.DataObject
) -> None:
    """Whatever was said, wherever the first was ended, and however much the second hears before: all to the sample."""
    frames = [(float(voiced), level + i % 3) for voiced, count, level in runs for i in range(count)]
    whole, ended, settled = gate(max_samples=cap * FRAME_SAMPLES), [], [0]
    for frame in frames:
        ended += [one for one in [whole.feed(*frame)] if one is not None]
        settled.append(whole.settled_samples)
    start_samples = settled[data.draw(st.integers(0, len(frames)))]
    first = data.draw(st.integers(0, start_samples // FRAME_SAMPLES))
    after = gate(start_samples, lead_samples=start_samples - first * FRAME_SAMPLES, max_samples=cap * FRAME_SAMPLES)
    again = [one for one in (after.feed(*frame) for frame in frames[first:]) if one is not None]
    assert again == [one for one in ended if one.start_samples >= start_samples]
    assert after.open_samples == whole.open_samples
    assert after.voiced_spans() == whole.voiced_spans()
    assert after.listened_samples == whole.listened_samples
