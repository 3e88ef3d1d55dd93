"""Telephone numbers: international ones, and national ones of the regions where a language is spoken. Pure.

What is a number is known to the library (ITU-T E.164 and each country's plan). A national number needs the prefix that
is dialled within the country, where there is one and people write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from server.personal_data.found import Found, Kind
from server.personal_data.numbers import Window

_PROOF = 5
_DIGITS_MAX = 17  # 15 of E.164, and the two zeros for the plus
_NATIONAL_MIN_DIGITS = 8  # shorter ones cannot be told from other numbers
_WITHOUT_PLUS_MIN_DIGITS = 10  # of a number with the country's code and no plus
# Where the language is not known.
_ANYWHERE = ("GB", "DE", "FR", "NL", "ES", "US")
# People say numbers of their own country in any language: those that begin with a zero and are long are found as well.
_ABROAD = ("NL", "GB", "FR", "DE")
_ABROAD_MIN_DIGITS = 10
_COMMON_TYPES = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)
_NORTH_AMERICAN_GROUPS = (3, 3, 4)
_NORTH_AMERICAN_EDGES = (3, 6)
_NORTH_AMERICAN_CODE = "1"


class _Plan(NamedTuple):
    """``is_rewritten``: what a prefix captures is put elsewhere in the number (Argentina, Brazil). ``is_prefixed``:
    people never leave the prefix out. ``lengths`` and ``pattern`` are of numbers without it."""

    code: str
    prefix: re.Pattern[str]
    is_rewritten: bool
    is_prefixed: bool
    lengths: frozenset[int]
    pattern: re.Pattern[str]

    def may_be(self, digits: str) -> bool:
        """Whether it is worth asking the library, which takes a hundred times as long."""
        prefix = self.prefix.match(digits)
        dialled = prefix.end() if prefix is not None else 0
        is_long = len(digits) >= _WITHOUT_PLUS_MIN_DIGITS
        return (
            (prefix is not None and self.is_rewritten and prefix.lastindex is not None)
            or (self._fits(digits, dialled) and (dialled > 0 or not self.is_prefixed))
            or (not self.is_prefixed and self._fits(digits, 0))
            or (is_long and digits.startswith(self.code) and self._fits(digits, len(self.code)))
        )

    def _fits(self, digits: str, begin: int) -> bool:
        return len(digits) - begin in self.lengths and self.pattern.fullmatch(digits, begin) is not None


def phones(window: Window, regions: Sequence[str]) -> Iterator[Found]:
    """The window as a telephone number, with its plus and without."""
    digits = window.value
    if len(digits) > _DIGITS_MAX or not digits.isdigit():
        return
    if window.plus is not None and _is_international(digits):
        yield Found(window.plus, window.end, Kind.PHONE, _PROOF)
    elif _may_be_national(window) and (
        (digits.startswith("00") and _is_international(digits[2:]))
        or any(_is_national(window, region) for region in regions or _ANYWHERE)
        or (
            digits[0] == "0"
            and len(digits) >= _ABROAD_MIN_DIGITS
            and any(_is_national(window, region) for region in _ABROAD if region not in regions)
        )
    ):
        yield Found(window.start, window.end, Kind.PHONE, _PROOF)


def _may_be_national(window: Window) -> bool:
    if len(window.value) < _NATIONAL_MIN_DIGITS or window.is_amount or window.is_date or window.is_counting:
        return False
    if window.value[0] == "0":
        return True
    if window.begins_with_year:
        return False
    return not window.is_loose or window.is_spelled or window.groups == _NORTH_AMERICAN_GROUPS


def _is_international(digits: str) -> bool:
    if digits[0] == "0":
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse("+" + digits))
    except NumberParseException:
        return False


def _is_national(window: Window, region: str) -> bool:
    digits, plan = window.value, _plan(region)
    if not plan.may_be(digits) or (plan.code == _NORTH_AMERICAN_CODE and not _is_in_north_american_groups(window)):
        return False
    try:
        number = phonenumbers.parse(digits, region)
    except NumberParseException:
        return False
    return phonenumbers.is_valid_number(number)


def _is_in_north_american_groups(window: Window) -> bool:
    """No group lies across the edge of one: any ten digits may be a number there, and a list of small ones is none."""
    at = -(window.value[0] == "1")
    for size in window.groups:
        if at not in (-1, 0, 3) and any(at < edge < at + size for edge in _NORTH_AMERICAN_EDGES):
            return False
        at += size
    return True


@lru_cache(maxsize=256)  # more than there are regions
def _plan(region: str) -> _Plan:
    known = PhoneMetadata.metadata_for_region(region)
    assert known is not None, region
    assert known.general_desc is not None, region
    return _Plan(
        code=str(known.country_code),
        prefix=re.compile(known.national_prefix_for_parsing or ""),
        is_rewritten=known.national_prefix_transform_rule is not None,
        is_prefixed=_is_written_with(known.national_prefix or "", region),
        lengths=frozenset(known.general_desc.possible_length),
        pattern=re.compile(known.general_desc.national_number_pattern or "(?!)"),
    )


def _is_written_with(prefix: str, region: str) -> bool:
    """Whether people of the region always write the prefix: not in North America, and not before mobiles in China."""
    examples = (phonenumbers.example_number_for_type(region, kind) for kind in _COMMON_TYPES)
    written = [phonenumbers.format_number(one, PhoneNumberFormat.NATIONAL) for one in examples if one is not None]
    return prefix != "" and all(number.lstrip("(").startswith(prefix) for number in written)
