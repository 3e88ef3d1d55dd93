"""Accounts and cards."""

from __future__ import annotations

import pytest

from server.personal_data.payments import payments
from tests.server.personal_data.cut import numbers_in


@pytest.mark.parametrize(
    "number",
    [
        "NL91 ABNA 0417 1643 00",
        "nl91abna0417164300",
        "N L 9 1 A B N A 0 4 1 7 1 6 4 3 0 0",
        "NL nine one A B N A 0417 1643 double oh",
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "FR14 2004 1010 0505 0001 3M02 606",
        "ES91 2100 0418 4502 0005 1332",
        "BE68, 5390, 0754, 7034",
        "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111, 1111, 1111, 1111",
        "4111111111111111",
        "5500 0000 0000 0004",
        "3782 822463 10005",
        "3056 930902 5904",
        "41 11 11 11 11 11 11 11",
        "four one one one one one one one one one one one one one one one",
        "4222222222222",
        "6304 0000 0000 0000 000",
    ],
)
def test_numbers(number: str) -> None:
    assert numbers_in(f"well, {number}!", payments) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "NL91 ABNA 0417 1643 01",
        "ZZ91 ABNA 0417 1643 00",
        "4111 1111 1111 1112",
        "1111 1111 1111 1117",
        "2019 2020 2021 2025",
        "4 000 000 000 000 000",
        "444 444 444 444 444 444",
        "06 12 34 56 78 06 98 76 54 32",
    ],
)
def test_what_is_none(text: str) -> None:
    assert numbers_in(text, payments) == []
