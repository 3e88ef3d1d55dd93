"""Numbers that are written or spoken in several parts: "06-12 34 56 78", "oh six one two", "NL91 ABNA 0417". Pure.

A text is cut into units: digits, letters and digits in one, words for digits. What stands in a row is looked at through
windows of up to ``VALUE_MAX_CHARS``, or ``DIGITS_MAX`` where they begin with a digit; each of them somebody else takes
for a telephone number, an account or nothing. Whether it is taken depends on nothing outside it but what stands right
beside it, and only so many begin at a unit: so the whole is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

from server.personal_data.tokens import DIGIT_WORDS, Token

VALUE_MIN_CHARS = 7
VALUE_MAX_CHARS = 34  # of the longest IBAN
DIGITS_MAX = 19  # of the longest card; all that is longer begins with a letter
_LETTERS_MAX = 6  # in a row within a number: those that an Italian tax code begins with
_GAP_MAX_CHARS = 5

_STRONG_GAP = re.compile(r"(?:\s|[-/()\u2010-\u2015]|\.(?!\s))*")
_WEAK_GAP = re.compile(r"[\s\-/(),.\u2010-\u2015]*")
_PLUS = re.compile(r"\+\s?\(?\Z")
_PLUS_WORDS = frozenset({"plus", "más"})
_TIMES = {"double": 2, "triple": 3, "treble": 3, "doppel": 2, "dubbel": 2, "doble": 2}

# Dates, amounts and decimals that are written with signs. Each begins where no number can be under way, so that a long
# row of digits is gone through once.
_OTHER_NUMBERS = re.compile(
    r"""(?<![\d.,'’/-])(?:
        \d{1,2}(?P<day>[./-])\d{1,2}(?P=day)(?:19|20)\d\d
        | (?:19|20)\d\d(?P<year>[./-])\d{1,2}(?P=year)\d{1,2}
        | [1-9]\d{0,2}(?P<thousand>[.,'’])\d{3}(?:(?P=thousand)\d{3})*(?:[.,]\d{1,2})?
        | (?:0|[1-9]\d*)[.,]\d+
    )(?![\d]|[.,'’/-]\d)""",
    re.VERBOSE,
)
_MONEY_BEFORE = re.compile(r"[€$£¥]\s?\Z")
_MEASURE_AFTER = re.compile(
    r"\s?(?:[€$£¥%]|(?:euros?|dollars?|pounds?|pfund|livres|cents?|francs?|franken|libras|dólares|dolares|pesos|yen|"
    r"percent|prozent|people|kilometers?|kilometres?|km|meters?|metres?|kg|kilos?|miles?|years?|times)\b)",
    re.IGNORECASE,
)


class Gap(IntEnum):
    """What stands between two units: nothing, space or a sign; a comma or an end of a sentence; anything else."""

    STRONG = 0
    WEAK = 1
    BREAK = 2


class Unit(NamedTuple):
    """``value``: digits and capital letters; empty when no number has it. ``plus``: where a plus before it begins."""

    value: str
    start: int
    end: int
    gap: Gap
    plus: int | None


class Window(NamedTuple):
    """Units in a row, ``value`` being all of theirs; ``groups`` how many characters each of them has.

    ``is_loose``: commas or full stops are between them. ``plus`` is that of the first. ``is_amount``: it is written as
    one, or has a currency beside it. Offsets are in characters.
    """

    value: str
    groups: tuple[int, ...]
    start: int
    end: int
    is_loose: bool
    plus: int | None
    is_amount: bool

    @property
    def is_spelled(self) -> bool:
        """One by one."""
        return len(self.groups) == len(self.value)

    @property
    def is_counting(self) -> bool:
        steps = {ord(b) - ord(a) for a, b in pairwise(self.value)}
        return self.is_spelled and steps in ({1}, {-1})

    @property
    def is_date(self) -> bool:
        """Only years, or one year with days, months, hours beside it."""
        at, years, others = 0, 0, 0
        for size in self.groups:
            is_year = size == 4 and self.value[at : at + 2] in ("19", "20")
            years += is_year
            others += not is_year and size <= 2
            at += size
        return years > 0 and (years == len(self.groups) or (years == 1 and others == len(self.groups) - 1))

    @property
    def begins_with_year(self) -> bool:
        return self.groups[0] == 4 < len(self.value) and self.value[:2] in ("19", "20")


def windows(text: str, words: Sequence[Token], language: str) -> Iterator[Window]:
    """All that may be a number, of ``VALUE_MIN_CHARS`` and more, one within another included.

    ``text`` is plain, ``words`` are its tokens.
    """
    units = _units(text, words, language)
    digit_ahead = _digit_ahead(units)
    for first, unit in enumerate(units):
        if not unit.value or digit_ahead[first] > _LETTERS_MAX:
            continue
        value, gap = unit.value, Gap.STRONG
        value_max = DIGITS_MAX if value[0].isdigit() else VALUE_MAX_CHARS
        for last in range(first, len(units)):
            if last > first:
                gap = max(gap, units[last].gap)
                value += units[last].value
            if gap is Gap.BREAK or not units[last].value or len(value) > value_max:
                break
            if len(value) >= VALUE_MIN_CHARS:
                groups = tuple(len(one.value) for one in units[first : last + 1])
                start, end = unit.start, units[last].end
                if text[max(0, start - 1)] == "(" and ")" in text[start:end]:
                    start -= 1
                amount = _is_amount(text, value, groups, start, end)
                yield Window(value, groups, start, end, gap is Gap.WEAK, unit.plus, amount)


def _units(text: str, words: Sequence[Token], language: str) -> list[Unit]:
    apart = _within_others(text, words)
    units: list[Unit] = []
    times_at: Token | None = None
    before: Token | None = None
    for i, word in enumerate(words):
        if not word.is_word:
            continue
        value = "" if i in apart else _value(word.text, language)
        start, between = word.start, text[before.end if before else 0 : word.start]
        plus = word.start - len(match[0]) if (match := _PLUS.search(between[-3:])) else None
        if before and plus is None and before.text in _PLUS_WORDS and between.isspace():
            plus = before.start
        before = word
        if times_at is not None and between.isspace() and len(value) == 1 and value.isdigit():
            # "double five": one unit that begins with the first word, whose own, empty one it replaces.
            value *= _TIMES[times_at.text]
            units[-1] = units[-1]._replace(value=value, end=word.end)
        else:
            units.append(Unit(value, start, word.end, _gap(between), plus))
        times_at = word if word.text in _TIMES else None
    return units


def _value(word: str, language: str) -> str:
    if word in _TIMES or word in _PLUS_WORDS:
        return ""
    if word in DIGIT_WORDS and (word != "o" or language in ("en", "")):
        return DIGIT_WORDS[word]
    if not (word.isascii() and word.isalnum()) or (word.isalpha() and len(word) > _LETTERS_MAX):
        return ""
    return word.upper() if len(word) <= VALUE_MAX_CHARS else ""


def _gap(between: str) -> Gap:
    if len(between) > _GAP_MAX_CHARS:
        return Gap.BREAK
    if _STRONG_GAP.fullmatch(between):
        return Gap.STRONG
    return Gap.WEAK if _WEAK_GAP.fullmatch(between) else Gap.BREAK


def _within_others(text: str, words: Sequence[Token]) -> set[int]:
    """The tokens of dates, times, amounts and decimals."""
    apart: set[int] = set()
    others = _OTHER_NUMBERS.finditer(text)
    other = next(others, None)
    for i, word in enumerate(words):
        while other is not None and other.end() <= word.start:
            other = next(others, None)
        is_within = other is not None and other.start() <= word.start
        is_short = len(word.text) <= 2 and word.text.isdigit()
        is_time = is_short and ":" in text[max(0, word.start - 1) : word.end + 1]
        if is_within or is_time:
            apart.add(i)
    return apart


def _digit_ahead(units: Sequence[Unit]) -> list[int]:
    """How many characters without a digit stand before the next unit that has one."""
    ahead = [0] * len(units)
    far = VALUE_MAX_CHARS
    for i in range(len(units) - 1, -1, -1):
        value = units[i].value
        far = (
            0 if any(char.isdigit() for char in value) else min(VALUE_MAX_CHARS, far + (len(value) or VALUE_MAX_CHARS))
        )
        ahead[i] = far
    return ahead


def _is_amount(text: str, value: str, groups: Sequence[int], start: int, end: int) -> bool:
    """ "3 000 000", and what has a currency or measure beside it: 612 345 678 alone may be a telephone number."""
    is_in_thousands = len(groups) > 1 and groups[0] <= 3 and set(groups[1:]) == {3}
    if value[0] == "0" or not (is_in_thousands or len(groups) == 1):
        return False
    if is_in_thousands and value.endswith("000"):
        return True
    return bool(_MONEY_BEFORE.search(text[max(0, start - 2) : start]) or _MEASURE_AFTER.match(text, end))
