from __future__ import annotations

import pytest

from server.load.words import Loss, by_round, compare, in_text


@pytest.mark.parametrize(
    ("expected", "got", "loss"),
    [
        ("a b c", "a b c", Loss(3)),
        ("a b c", "a c", Loss(3, missing=1)),
        ("a b c", "", Loss(3, missing=3)),
        ("a b c", "a b b c", Loss(3, added=1)),
        ("a b c", "a b c a b c", Loss(3, added=3)),
        ("a b c", "a x c", Loss(3, changed=1)),
        ("a b c", "a x y c", Loss(3, added=1, changed=1)),
        ("a b c", "c a b", Loss(3, missing=1, added=1)),
    ],
)
def test_what_is_missing_added_and_changed(expected: str, got: str, loss: Loss) -> None:
    assert compare(expected.split(), got.split()) == loss
    assert loss.is_any is (expected != got)


def test_the_words_of_a_text() -> None:
    assert in_text("It's 5 o'clock -- GOOD, morning!") == ("it's", "5", "o'clock", "good", "morning")


def test_words_fall_into_the_round_they_were_said_in() -> None:
    told = [("late", 19.9), ("first", 0.0), ("end", 8.4), ("again", 9.9), ("End.", 18.3), ("early", 9.3)]
    assert by_round(told, 10.0, 2, 1.5) == [["first", "end"], ["early", "again", "end", "late"]]
    assert by_round([("before", -1.0), ("after", 99.0)], 10.0, 2, 1.5) == [["before"], ["after"]]
