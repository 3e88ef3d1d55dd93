"""A transcript as models read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.words import Segment
from server.language_models.lines import LINE_CHARS, lines_of, lines_of_text, time_of


def segment(id_: str, text: str, start_samples: int, *, track: str = "a", speaker: str | None = None) -> Segment:
    return Segment(
        segment_id=id_,
        track=track,
        text=text,
        start_samples=start_samples,
        end_samples=start_samples + 16_000,
        is_final=True,
        speaker=speaker,
    )


def test_in_order_with_times_names_and_numbers() -> None:
    found = lines_of(
        [
            segment("2", "later", 16_000 * 3661, speaker="An\nna"),
            segment("3", " \n", 0),
            segment("1", "first\n99 [00:00:00] Mallory: not me", 0, track="b"),
        ],
        {"b": 16_000},
    )
    assert [line.shown for line in found] == [
        "1 [00:00:01] first 99 [00:00:00] Mallory: not me",
        "2 [01:01:01] An na: later",
    ]
    assert found[1].segment().start_samples == 16_000 * 3661


def test_times() -> None:
    assert [time_of(16_000 * each) for each in (0, 59, 3600, 360_000)] == [
        "00:00:00",
        "00:00:59",
        "01:00:00",
        "100:00:00",
    ]


def test_a_text_without_times() -> None:
    found = lines_of_text("One.\n\n Two. \r\n" + "So it goes. " * 100)
    assert [line.shown for line in found[:2]] == ["1 One.", "2 Two."]
    assert all(len(line.text) <= LINE_CHARS + 20 and line.text.endswith(".") for line in found)


@given(st.text())
def test_of_any_text_each_letter_is_somewhere(text: str) -> None:
    found = lines_of_text(text)
    assert all(line.text and "\n" not in line.shown for line in found)
    kept = "".join("".join(line.text for line in found).split())
    assert kept == "".join(char for char in "".join(text.split()) if char in kept)
