"""What was heard again takes the place of what stood there, and of nothing beside it."""

from __future__ import annotations

import pytest

from protocol.words import Word
from server.jobs.rehearing import EDGE_SAMPLES, Heard, revised
from tests.server.spoken import segment

FIRST = 32_000  # where the segment begins
STOOD = segment(text="one two three four", start_samples=FIRST).model_copy(update={"language": "en"})
END = STOOD.end_samples


def heard(*words: tuple[str, int], text: str = "as it was heard", language: str | None = None) -> Heard:
    """Each word with where it begins."""
    spoken = tuple(Word(text=said, start_samples=at, end_samples=at + 900, confidence=0.5) for said, at in words)
    return Heard(text, spoken, 0.5, language, "whisper-tiny")


def test_all_of_it_is_as_it_was_heard_now() -> None:
    found = revised(STOOD, heard(("uno", FIRST), ("due", FIRST + 1000), language="it"), FIRST, END)
    assert found is not None
    assert (found.text, found.revision, found.confidence, found.language) == ("as it was heard", 2, 0.5, "it")
    assert [word.text for word in found.words] == ["uno", "due"]
    assert (found.segment_id, found.start_samples, found.end_samples) == (STOOD.segment_id, FIRST, END)


def test_a_part_of_it_leaves_the_rest() -> None:
    found = revised(STOOD, heard(("due", FIRST + 1000), ("tre", FIRST + 2000)), FIRST + 1000, FIRST + 3000)
    assert found is not None
    assert [word.text for word in found.words] == ["one", "due", "tre", "four"]
    assert (found.text, found.language) == ("one due tre four", "en")


@pytest.mark.parametrize("neighbour", [FIRST - EDGE_SAMPLES - 1, END, END + 5000])
def test_words_of_its_neighbours_are_theirs(neighbour: int) -> None:
    found = revised(STOOD, heard(("due", FIRST + 1000), ("theirs", neighbour)), FIRST - 16_000, END + 16_000)
    assert found is not None
    assert [word.text for word in found.words] == ["due"]
    assert found.text == "due"  # not the text of all that was heard
    assert revised(STOOD, heard(("theirs", neighbour)), FIRST - 16_000, END + 16_000) is None


def test_a_word_at_its_edge_is_its_own() -> None:
    found = revised(STOOD, heard(("uno", FIRST - EDGE_SAMPLES)), FIRST - 4000, FIRST + 1000)
    assert found is not None
    assert [word.text for word in found.words] == ["uno", "two", "three", "four"]
