"""Numbers of persons. Those here are made up, or stand in the descriptions of their form."""

from __future__ import annotations

import pytest

from server.personal_data.identities import identities
from server.personal_data.regions import language_of, regions_of
from tests.server.personal_data.cut import numbers_in


def found(text: str, tag: str | None) -> list[str]:
    regions = regions_of(tag)
    return numbers_in(text, lambda window: identities(window, regions), language_of(tag))


@pytest.mark.parametrize(
    ("number", "tag"),
    [
        ("111222333", "nl"),
        ("1112.22.333", "nl"),
        ("111 222 333", "nl"),
        ("one one one, two two two, three three three", "nl"),
        ("85.07.30-033.28", "nl"),
        ("85 07 30 033 28", "fr-BE"),
        ("12345678Z", "es"),
        ("12345678-Z", "es"),
        ("1 2 3 4 5 6 7 8 Z", None),
        ("X1234567L", "en"),
        ("2 55 08 14 168 025 38", "fr"),
        ("253072B07300470", "fr"),
        ("36 574 261 809", "de"),
        ("15 070649 C 103", "de"),
        ("1237 010180", "de-AT"),
        ("756.9217.0769.85", "de"),
        ("RCCMNL83S18D969H", "it"),
        ("RCC MNL 83S18 D969H", "en"),
        ("44051401359", "pl"),
        ("943 476 5919", "en-GB"),
        ("9434765919", "en"),
        ("123-45-6789", "en-US"),
        ("123 45 6789", "en"),
    ],
)
def test_numbers(number: str, tag: str | None) -> None:
    assert found(f"well, {number}!", tag) == [number]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("111222334", "nl"),
        ("111222333", "de"),
        ("111 222 333 euro", "nl"),
        ("111, 222333", "nl"),
        ("12345678A", "es"),
        ("15 070649 C 104", "de"),
        ("15 410649 C 103", "de"),
        ("44051401359", "en"),
        ("94 34 76 59 19", "en-GB"),
        ("123456789", "en-US"),
        ("666-45-6789", "en-US"),
        ("2 55 08 14 168 025 39", "fr"),
    ],
)
def test_what_is_none(text: str, tag: str | None) -> None:
    assert found(text, tag) == []
