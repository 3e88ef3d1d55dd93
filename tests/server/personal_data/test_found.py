"""Which of several stretches are kept."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.personal_data.found import Found, Kind, kept

STRETCHES = st.lists(
    st.builds(
        lambda start, length, proof: Found(start, start + length, Kind.PHONE, proof),
        st.integers(0, 60),
        st.integers(1, 20),
        st.integers(0, 9),
    ),
    max_size=12,
)


def test_the_longest_is_kept_and_of_two_as_long_the_surest() -> None:
    phone, account = Found(5, 15, Kind.PHONE, 5), Found(0, 18, Kind.IBAN, 9)
    assert kept([phone, account]) == [account]
    card, number = Found(0, 15, Kind.CARD, 6), Found(0, 15, Kind.ID, 7)
    assert kept([card, number, card]) == [number]


def test_two_side_by_side_are_kept_rather_than_one_across() -> None:
    first, second, across = Found(0, 10, Kind.PHONE, 5), Found(11, 21, Kind.PHONE, 5), Found(3, 19, Kind.CARD, 6)
    assert kept([across, second, first]) == [first, second]


def test_placeholders() -> None:
    assert [kind.placeholder for kind in Kind] == [
        "<redacted_email>",
        "<redacted_phone>",
        "<redacted_iban>",
        "<redacted_card>",
        "<redacted_id>",
    ]


@given(STRETCHES)
def test_none_overlaps_another_and_what_is_left_out_overlaps_one(found: list[Found]) -> None:
    chosen = kept(found)
    assert all(before.end <= after.start for before, after in pairwise(chosen))
    assert all(any(one.start < other.end and other.start < one.end for other in chosen) for one in found)
