"""Numbers that a state gives a person, by their check digits, in the regions that give them. Pure.

Those whose form says enough (letters, a date of birth and two check digits) are found everywhere; the others only where
the language is spoken, and those with no more than a check digit only as they are usually written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stdnum.at import vnr
from stdnum.be import nn
from stdnum.ch import ssn as ahv
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.us import ssn

from server.personal_data.found import Found, Kind
from server.personal_data.numbers import Window

_STRONG_PROOF = 7
_WEAK_PROOF = 3
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"


class _Number(NamedTuple):
    """``region`` None: found in all languages. ``groups``: how many characters it is written in together, if that
    counts; ``is_free``: or one by one, or in one."""

    region: str | None
    size: int
    shape: re.Pattern[str]
    is_valid: Callable[[str], bool]
    proof: int = _STRONG_PROOF
    groups: tuple[int, ...] = ()
    is_free: bool = True


def _is_german_insurance_number(value: str) -> bool:
    """The check digit of VKVV, section 2: sums of the digits of each product, modulo 10."""
    letter = ord(value[8]) - ord("A") + 1
    digits = f"{value[:8]}{letter:02}{value[9:11]}"
    products = (int(digit) * weight for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(product // 10 + product % 10 for product in products) % 10 == int(value[11])


_TAX_CODE = r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"
_NUMBERS = (
    _Number(None, 9, re.compile(r"\d{8}[A-Z]"), dni.is_valid),
    _Number(None, 9, re.compile(r"[XYZ]\d{7}[A-Z]"), nie.is_valid),
    _Number(None, 15, re.compile(r"[1-478]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{8}"), nir.is_valid),
    _Number(None, 16, re.compile(_TAX_CODE), codicefiscale.is_valid),
    _Number(None, 12, re.compile(rf"\d\d{_DAY}{_MONTH}\d\d[A-Z]\d{{3}}"), _is_german_insurance_number),
    _Number(None, 13, re.compile(r"756\d{10}"), ahv.is_valid),
    _Number("DE", 11, re.compile(r"[1-9]\d{10}"), idnr.is_valid),
    _Number("BE", 11, re.compile(r"\d{11}"), nn.is_valid),
    _Number("PL", 11, re.compile(r"\d{11}"), pesel.is_valid),
    _Number("AT", 10, re.compile(rf"[1-9]\d{{3}}{_DAY}{_MONTH}\d\d"), vnr.is_valid),
    _Number("NL", 9, re.compile(r"\d{9}"), bsn.is_valid, _WEAK_PROOF),
    _Number("GB", 10, re.compile(r"\d{10}"), nhs.is_valid, _WEAK_PROOF, (3, 3, 4)),
    # No check digit at all: only how it is written tells it.
    _Number("US", 9, re.compile(r"\d{9}"), ssn.is_valid, _WEAK_PROOF, (3, 2, 4), is_free=False),
)
_NUMBERS_BY_SIZE = {size: [one for one in _NUMBERS if one.size == size] for size in {one.size for one in _NUMBERS}}


def identities(window: Window, regions: Sequence[str]) -> Iterator[Found]:
    """The window as each of the numbers that it is."""
    for number in _NUMBERS_BY_SIZE.get(len(window.value), ()):
        if (
            (number.region is None or number.region in regions)
            and number.shape.fullmatch(window.value)
            and _is_written_so(window, number)
            and number.is_valid(window.value)
        ):
            yield Found(window.start, window.end, Kind.ID, number.proof)


def _is_written_so(window: Window, number: _Number) -> bool:
    if number.proof == _STRONG_PROOF:
        return not window.is_amount
    if window.is_amount or window.is_date or window.is_counting or (window.is_loose and not window.is_spelled):
        return False
    if number.is_free and (window.is_spelled or len(window.groups) == 1):
        return True
    return not number.groups or window.groups == number.groups
