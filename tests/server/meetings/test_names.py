"""What rooms and people may be called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ValidationFailed
from server.meetings.names import (
    PERSON_NAME_MAX_CHARS,
    check_room_name,
    clean_name,
    free_name,
    is_room_name,
    new_room_name,
)


def test_names_of_rooms() -> None:
    for name in ("a", "weekly-standup", "a_1", "0", "a" * 64):
        assert check_room_name(name) == name
    for name in ("", "A", "a b", "-a", "a-", "_a", "a" * 65, "a/b", "a.b", "é", "a\n"):
        with pytest.raises(ValidationFailed, match="weekly-standup"):
            check_room_name(name)
    assert all(is_room_name(new_room_name()) for _ in range(20))
    assert new_room_name() != new_room_name()


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("  Anna   Lee ", "Anna Lee"),
        ("Anna\r\nLee", "Anna Lee"),
        ("\u202eannA\u2066", "annA"),  # turns the text around for readers
        ("\x00\x1b[31mAnna", "[31mAnna"),
        ("\ud800", "Guest"),
        ("", "Guest"),
        ("e\u0301", "é"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\u200c\u200d", "Guest"),
    ],
)
def test_names_of_people_are_what_can_be_seen_of_them(given_name: str, name: str) -> None:
    assert clean_name(given_name) == name


def test_a_name_has_an_end() -> None:
    assert clean_name("x" * PERSON_NAME_MAX_CHARS)
    with pytest.raises(ValidationFailed, match=str(PERSON_NAME_MAX_CHARS)):
        clean_name("x" * (PERSON_NAME_MAX_CHARS + 1))


@given(st.text(max_size=90))
def test_a_clean_name_stays_as_it_is_and_can_be_stored(text: str) -> None:
    name = clean_name(text)
    assert name
    assert clean_name(name) == name
    assert name.encode()


@given(st.lists(st.sampled_from(["Anna", "anna", "ANNA 2", "Anna 3", "Ann", "\uff21nna"]), max_size=8))
def test_no_two_have_one_name(wanted: list[str]) -> None:
    taken: list[str] = []
    for name in wanted:
        taken.append(free_name(name, taken))
    assert len({name.casefold() for name in taken}) == len(taken)
    if wanted:
        assert taken[0] == wanted[0]
