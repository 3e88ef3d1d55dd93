"""Words without their marks."""

from __future__ import annotations

from protocol.plain_words import plain_word


def test_marks_around_a_word_are_left_out_and_those_in_it_stay() -> None:
    told = ("Hello,", "don't!", "«Straße»", "U.S.", "—", "well-known.")
    assert [plain_word(word) for word in told] == ["hello", "don't", "straße", "u.s", "—", "well-known"]
