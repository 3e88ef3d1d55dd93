"""Telephone numbers."""

from __future__ import annotations

import phonenumbers
import pytest

from server.personal_data.phones import phones
from server.personal_data.regions import language_of, regions_of
from tests.server.personal_data.cut import numbers_in


def found(text: str, tag: str | None) -> list[str]:
    regions = regions_of(tag)
    return numbers_in(text, lambda window: phones(window, regions), language_of(tag))


@pytest.mark.parametrize(
    ("number", "tag"),
    [
        ("06 12345678", "nl"),
        ("020-794 60 18", "nl"),
        ("0412 34 56 78", "nl-BE"),
        ("0171 1234567", "de"),
        ("030/123456", "de"),
        ("0664 1234567", "de-AT"),
        ("079 123 45 67", "de-CH"),
        ("06 12 34 56 78", "fr"),
        ("06.12.34.56.78", "fr"),
        ("06, 12, 34, 56, 78", "fr"),
        ("612 345 678", "es"),
        ("61 234 56 78", "es"),
        ("(415) 555-2671", "en-US"),
        ("1-415-555-2671", "en-US"),
        ("415, 555, 2671", "en"),
        ("415 5552671", "en-US"),
        ("4 1 5 555 26 71", "en-US"),
        ("1 415 555 2671", "en-CA"),
        ("020 7946 0018", "en-GB"),
        ("07700 900123", "en"),
        ("0412 345 678", "en-AU"),
        ("333 123 4567", "it"),
        ("512 345 678", "pl"),
        ("11 91234-5678", "pt-BR"),
        ("32 12 34 56", "da"),
        ("090-1234-5678", "ja"),
        ("oh six one two three four five six seven eight", "en"),
        ("oh six, one two three four, five six seven eight", "en"),
        ("oh double seven double oh nine oh oh one two three", "en"),
        ("zero six 12 34 five six 78", "en"),
        ("null eins sieben eins eins zwo drei vier fünf sechs sieben", "de"),
        ("0 6 1 2 3 4 5 6 7 8", "nl"),
        ("06 12345678", "en"),
        ("06 12345678", None),
        ("612 345 678", None),
        ("+31 6 1234 5678", None),
        ("+31 (0)6 1234 5678", "en"),
        ("+1 415 555 2671", "nl"),
        ("0049 30 123456", "en"),
        ("44 20 7946 0018", "en-GB"),
        ("plus three one six one two three four five six seven eight", "en"),
        ("más 34 612 345 678", "es"),
    ],
)  # fmt: skip
def test_numbers(number: str, tag: str | None) -> None:
    assert found(f"well, {number}!", tag) == [number]


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_mobile_numbers_of_all_countries(region: str) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number = number or phonenumbers.example_number(region)
    assert number is not None
    abroad = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    assert found(abroad, None) == [abroad]
    at_home = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    # Those of a few small countries are too short to be told from other numbers.
    expected = [at_home] if sum(char.isdigit() for char in at_home) >= 8 else []
    assert found(at_home, f"en-{region}") == expected


def test_two_in_a_row() -> None:
    assert found("06 12 34 56 78 06 98 76 54 32", "fr") == ["06 12 34 56 78", "06 98 76 54 32"]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("twenty twenty six", "en"),
        ("2026 2027 2028", "en"),
        ("20 10 2024 10 15", "en"),
        ("02.03.2026", "de"),
        ("02 03 2026", "de"),
        ("10:30, 11:45, 12:15", "fr"),
        ("3 000 000", "da"),
        ("612 345 678 euros", "es"),
        ("4155552671 dollars", "en"),
        ("415, 5552671", "en"),
        ("41 55 55 26 71", "en"),
        ("we had 22 35 41 67 89 again", "en-US"),
        ("one two three four five six seven eight nine", "pl"),
        ("0 1 2 3 4 5 6 7 8 9", "en"),
        ("12345678", "nl"),
        ("call 112 or 911", "en"),
        ("room 1234, floor 5", "en"),
        ("+12 34", "en"),
        ("+999 123 456 789", "en"),
        ("1234567890123456789", "de"),
    ],
)
def test_what_is_none(text: str, tag: str | None) -> None:
    assert found(text, tag) == []
