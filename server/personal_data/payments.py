"""Bank accounts (IBAN, ISO 13616) and payment cards (ISO/IEC 7812), by their check digits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban, luhn

from server.personal_data.found import Found, Kind
from server.personal_data.numbers import Window

_IBAN_PROOF = 9
_CARD_PROOF = 6
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
# Of the issuers that there are; the first digit of one number in ten would fit, so it counts.
_CARD = re.compile(r"[3-6]\d{12,18}|2[2-7]\d{11,17}")
# As they stand on cards: four by four, and those of fifteen and fourteen digits.
_CARD_GROUPS = frozenset({(4, 4, 4, 1), (4, 4, 4, 4), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4)})
_PAIRS_OF_CARD = 8


def payments(window: Window) -> Iterator[Found]:
    """The window as an account or a card."""
    if _IBAN.fullmatch(window.value):
        if iban.is_valid(window.value, check_country=False):
            yield Found(window.start, window.end, Kind.IBAN, _IBAN_PROOF)
    elif _CARD.fullmatch(window.value) and _is_said_as_card(window) and luhn.is_valid(window.value):
        yield Found(window.start, window.end, Kind.CARD, _CARD_PROOF)


def _is_said_as_card(window: Window) -> bool:
    """One number in ten passes the check: years, amounts, and two telephone numbers side by side must not."""
    groups = window.groups
    if window.is_date or window.is_amount:
        return False
    if len(groups) == 1 or window.is_spelled or groups in _CARD_GROUPS:
        return True
    sizes = set(groups)
    if sizes == {2}:
        return len(groups) == _PAIRS_OF_CARD
    is_in_thousands = sizes == {3} or (groups[0] < 3 and set(groups[1:]) == {3})
    return not window.is_loose and not is_in_thousands
