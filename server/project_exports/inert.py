"""Text of strangers in Markdown: it looks as it was said, and does nothing."""

from __future__ import annotations

import re

from server.exports import clean

# They turn the direction of all that follows, our own words included.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Entities stand where a backslash is not understood everywhere, or would end a cell of a table.
_MARKUP = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "&#96;", "|": "&#124;"}
    | {char: f"\\{char}" for char in "\\*_[]{}#~$^="}
)
# Where a backslash is missing at the beginning of a line: before what makes lists, rules, definitions.
_BLOCK = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+:]))")

# Pieces without spaces and without what has to be escaped even in a code span.
_PIECE = re.compile(r"[^\s`<>|\\{}]+")
# What viewers make links of by themselves: addresses with and without a scheme, mail, and `@name`.
_ADDRESS = re.compile(r"(?i)//|@.|www\.|mailto:|xmpp:|(?:^|[^.])\.[^\W\d_]{2}")
_BEFORE, _AFTER = "\"'([*~", "\"'.,;:!?)]*~"


def inert(text: str) -> str:
    """``text`` on one line of Markdown (CommonMark 0.31, and GitHub's with tables), where it shows just as it is.

    Markup, HTML and entities are escaped. What looks like an address becomes a code span: escaping does not help, since
    viewers look for addresses in what is left after it (GitHub's specification, 6.9), and they do not look into code.
    Controls, and characters that turn the direction of writing, are left out.
    """
    text = clean(_TURNS.sub("", text))
    parts = []
    end = 0
    for piece in _PIECE.finditer(text):
        if _ADDRESS.search(piece[0]):
            address = piece[0].lstrip(_BEFORE).rstrip(_AFTER)
            at = piece.start() + len(piece[0]) - len(piece[0].lstrip(_BEFORE))
            parts += [_escaped(text[end:at]), f"`{address}`"]
            end = at + len(address)
    parts.append(_escaped(text[end:]))
    return _BLOCK.sub(r"\1\\", "".join(parts))


def _escaped(text: str) -> str:
    # Two of them hide a comment in some viewers; one is only a percentage.
    return text.translate(_MARKUP).replace("%%", r"\%\%")
