"""Topics: every word once, cut where people stop, the same ones whenever they are asked for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.words import Segment, Word
from server.topics import RUN_PAUSE_SAMPLES, TOPIC_CHARS, TOPIC_MAX_CHARS, Topic, runs_of, topics_of
from tests.server.spoken import segment

WORD_SAMPLES = 8000


def talk(number: int, text: str, *, start: int = 0, speaker: str = "Ann", track: str = "trk_1") -> Segment:
    words = tuple(
        Word(text=word, start_samples=start + i * WORD_SAMPLES, end_samples=start + (i + 1) * WORD_SAMPLES - 100)
        for i, word in enumerate(text.split())
    )
    update = {"words": words, "end_samples": words[-1].end_samples, "speaker": speaker, "track": track}
    return segment(f"seg_{number}", text, start_samples=start).model_copy(update=update)


def speech(*texts: str) -> list[Segment]:
    """One after the other, without a pause."""
    told: list[Segment] = []
    for number, text in enumerate(texts):
        start = told[-1].end_samples + 100 if told else 0
        told.append(talk(number, text, start=start))
    return told


def words_of(topics: list[Topic]) -> list[str]:
    return [word.text for topic in topics for part in topic.parts for word in part.words]


def test_a_short_talk_is_one_topic_with_what_it_is_about() -> None:
    [topic] = topics_of(
        speech("Good morning and welcome.", "The telescope mirror is cracked, so the telescope must wait.", "Okay."), {}
    )
    assert topic.title.split(", ")[0] in ("Morning", "Welcome", "Telescope", "Good")
    assert "elescope" in topic.title
    assert topic.summary == "The telescope mirror is cracked, so the telescope must wait."
    assert topic.text.startswith("Good morning and welcome. The telescope")
    assert [part.segment_id for part in topic.parts] == ["seg_0", "seg_1", "seg_2"]


def test_nothing_said_is_no_topic() -> None:
    assert topics_of([], {}) == []
    assert topics_of([segment(text=" ")], {}) == []


def test_it_is_cut_at_a_sentence_end_after_enough() -> None:
    sentence = "The budget of the harbour is small this year. "
    told = speech((sentence * 40).strip())
    topics = topics_of(told, {})
    assert len(topics) > 1
    for topic in topics[:-1]:
        assert topic.text.endswith(".")
        assert TOPIC_CHARS <= len(topic.text) + 1 <= TOPIC_CHARS + len(sentence)
    assert " ".join(topic.text for topic in topics) == (sentence * 40).strip()


def test_without_signs_it_is_cut_at_a_pause_and_at_last_anywhere() -> None:
    breath = " ".join(["murmur"] * 30)
    flowing = topics_of(speech(*[breath] * 20), {})
    assert all(len(topic.text) <= TOPIC_MAX_CHARS for topic in flowing)
    paused = speech(*[breath] * 5)
    later = [talk(10 + i, breath, start=paused[-1].end_samples + 16000 + i) for i in range(1)]
    topics = topics_of([*paused, *later], {})
    assert [part.segment_id for part in topics[1].parts] == ["seg_10"]


def test_a_title_is_of_words_that_the_topics_before_have_not() -> None:
    common = "We discuss the harbour project. "
    first, second = common * 20 + "Dredging costs rise. " * 6, common * 20 + "Lighthouse lamps break. " * 6
    topics = topics_of(speech(first.strip(), second.strip()), {})
    assert any("Lighthouse" in topic.title for topic in topics[1:])
    assert not any("Lighthouse" in topic.title for topic in topics[:1])


@settings(max_examples=40)
@given(st.lists(st.text(st.sampled_from("ab .日é"), min_size=1, max_size=300), max_size=12))
def test_every_word_once_and_what_was_seen_stays(texts: list[str]) -> None:
    told = speech(*(text for text in texts if text.split()))
    topics = topics_of(told, {})
    assert "".join(words_of(topics)).replace(" ", "") == "".join(s.text for s in told).replace(" ", "")
    assert topics_of(told, {}) == topics
    before = topics_of(told[:-1], {})
    assert topics[: max(0, len(before) - 1)] == before[:-1]
    assert [topic.id for topic in topics[: len(before)]] == [topic.id for topic in before]
    assert len({topic.id for topic in topics}) == len(topics)


def test_tracks_become_one_conversation_in_turns() -> None:
    told = [
        talk(1, "how are you", speaker="Ann"),
        talk(2, "fine thanks", speaker="Bob", track="trk_2"),
        talk(3, "good", start=10 * WORD_SAMPLES, speaker="Ann"),
        talk(4, "later", start=10 * WORD_SAMPLES + RUN_PAUSE_SAMPLES + 2 * WORD_SAMPLES, speaker="Ann"),
    ]
    [topic] = topics_of(told, {"trk_2": 4 * WORD_SAMPLES})
    turns = [(part.speaker, [word.text for word in words]) for part, words in runs_of(topic)]
    assert turns == [("Ann", ["how", "are", "you"]), ("Bob", ["fine", "thanks"]), ("Ann", ["good"]), ("Ann", ["later"])]
    assert topic.parts[1].words[0].start_samples == 4 * WORD_SAMPLES
