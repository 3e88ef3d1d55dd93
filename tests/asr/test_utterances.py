from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr import wire
from asr.utterances import FRAME_SAMPLES, PRE_ROLL_SAMPLES, TAIL_SAMPLES, Utterance, Utterances
from tests.asr.test_loop import Bench
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence

SILENCE_FRAMES = 16
MAX_SAMPLES = 20 * 16_000


def gate(start_samples: int = 0, *, max_samples: int = MAX_SAMPLES) -> Utterances:
    return Utterances(start_samples, silence_samples=SILENCE_FRAMES * FRAME_SAMPLES, max_samples=max_samples)


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


def test_to_a_pause_it_ends_between_two_words_and_the_word_that_goes_on_stays_whole() -> None:
    utterances = gate()
    feed(utterances, "." * 20 + "#" * 5 + "." * 2 + "#" * 5 + "." * 8 + "#" * 4)
    ended = utterances.finalize_to_pause(44 * FRAME_SAMPLES + 3)
    cut_samples = 36 * FRAME_SAMPLES  # in the middle of the pause: the two frames before are no pause
    assert ended is not None
    assert (ended.end_samples, ended.voiced[-1][1]) == (cut_samples, 32 * FRAME_SAMPLES)
    assert utterances.open_samples == utterances.settled_samples == cut_samples
    assert utterances.finalize_to_pause(44 * FRAME_SAMPLES + 3) is None, "of the rest nothing ends"
    [rest] = feed(utterances, "#" * 3 + "." * 16)
    assert (rest.start_samples, rest.voiced) == (cut_samples, ((40 * FRAME_SAMPLES, 47 * FRAME_SAMPLES),))


def test_to_a_pause_nothing_ends_in_speech_without_one() -> None:
    utterances = gate()
    feed(utterances, "." * 20 + "#" * 9 + "." * 5 + "#" * 9)
    begun = utterances.open_samples
    assert begun is not None
    assert utterances.finalize_to_pause(43 * FRAME_SAMPLES) is None
    assert utterances.open_samples == utterances.settled_samples == begun


def test_to_a_pause_all_is_told_where_nobody_speaks() -> None:
    utterances = gate()
    feed(utterances, "." * 20 + "#" * 9 + "." * 6)
    ended = utterances.finalize_to_pause(35 * FRAME_SAMPLES + 3)
    assert ended is not None
    assert ended.voiced == ((20 * FRAME_SAMPLES, 29 * FRAME_SAMPLES),)
    assert utterances.settled_samples == 35 * FRAME_SAMPLES + 3
    feed(utterances, "." * 40)
    assert utterances.finalize_to_pause(75 * FRAME_SAMPLES) is None
    assert utterances.settled_samples == 75 * FRAME_SAMPLES


def test_to_a_pause_a_word_that_just_begins_stays_open() -> None:
    utterances = gate()
    feed(utterances, "." * 50 + "##")
    assert utterances.finalize_to_pause(52 * FRAME_SAMPLES) is None
    assert utterances.settled_samples == 50 * FRAME_SAMPLES - PRE_ROLL_SAMPLES
    [utterance] = feed(utterances, "##" + "." * 16)
    assert utterance.voiced == ((50 * FRAME_SAMPLES, 54 * FRAME_SAMPLES),)


def test_a_word_that_is_left_behind_a_pause_is_heard_whole_by_whoever_goes_on() -> None:
    words = sentence("good morning") + sentence("river stone", 1.7)
    pcm, in_a_word = scripted_sound(words), scripted_words(words)[2].start_samples + 1920
    before, after = Bench(), Bench()
    before.open()
    before.audio(0, pcm[: 2 * in_a_word])
    before.loop.take(wire.Finalize(session_id="s", generation=1, marker=1, to_pause=True))
    before.idle()
    left = before.of(wire.Settled)[-1].samples
    after.open(start=left)
    after.audio(left, pcm[2 * left :])
    after.finalize()
    after.idle()
    assert before.words() + after.words() == scripted_words(words)


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
