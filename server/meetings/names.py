"""What rooms and people may be called."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable
from itertools import count

from protocol.errors import ValidationFailed
from protocol.ids import is_transcript_id

ROOM_NAME_MAX_CHARS = 64
PERSON_NAME_MAX_CHARS = 100
NAMELESS = "Guest"

_ROOM_NAME = re.compile(rf"[a-z0-9]([a-z0-9_-]{{0,{ROOM_NAME_MAX_CHARS - 2}}}[a-z0-9])?")
_JOINERS = "\u200c\u200d"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look like others


def is_room_name(text: str) -> bool:
    """Never one that could be an id: links take both."""
    return _ROOM_NAME.fullmatch(text) is not None and not is_transcript_id(text)


def check_room_name(text: str) -> str:
    """A room's name stands in its link. Raises ``ValidationFailed``."""
    if not is_room_name(text):
        raise ValidationFailed(
            f"a room's name is 1 to {ROOM_NAME_MAX_CHARS} of a-z, 0-9, - and _, with a letter or digit at both ends, "
            "such as weekly-standup",
            details={"field": "name"},
        )
    return text


def new_room_name() -> str:
    """Not to be guessed: whoever knows the name of a public room can enter it."""
    return "room-" + "".join(secrets.choice(_LETTERS) for _ in range(12))


def clean_name(text: str) -> str:
    """What somebody calls themselves, on one line and without signs that are not seen. Raises ``ValidationFailed``."""
    seen = "".join(" " if each.isspace() else each for each in text if each.isspace() or _is_seen(each))
    name = " ".join(unicodedata.normalize("NFC", seen).split())
    if len(name) > PERSON_NAME_MAX_CHARS:
        raise ValidationFailed(f"a name has at most {PERSON_NAME_MAX_CHARS} characters", details={"field": "name"})
    return name if name.strip(_JOINERS + " ") else NAMELESS


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, or the first of ``wanted 2``, ``wanted 3``, ... that nobody has, whatever the case of letters."""
    folded = {_folded(name) for name in taken}
    if _folded(wanted) not in folded:
        return wanted
    return next(name for n in count(2) if _folded(name := f"{wanted} {n}") not in folded)


def _is_seen(char: str) -> bool:
    # Of controls and signs without a look, the joiners within words and emoji alone are people's own.
    return char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
