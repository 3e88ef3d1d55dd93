"""Short ways to ask the finders of personal data in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from server.personal_data.found import Found, kept
from server.personal_data.numbers import Window, windows
from server.personal_data.tokens import plain, tokens


def windows_of(text: str, language: str = "en") -> list[Window]:
    said = plain(text)
    return list(windows(said, tokens(said), language))


def numbers_in(text: str, finder: Callable[[Window], Iterator[Found]], language: str = "en") -> list[str]:
    """The stretches of the text that ``finder`` finds in its windows, as they stand there."""
    found = [one for window in windows_of(text, language) for one in finder(window)]
    return [text[one.start : one.end] for one in kept(found)]
