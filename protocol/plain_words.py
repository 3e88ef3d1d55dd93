"""Words as recognisers without punctuation give them: small letters, no marks around."""

from __future__ import annotations

import re

_AROUND = re.compile(r"^[^\w]+|[^\w]+$")


def plain_word(text: str) -> str:
    """``Hello,`` as ``hello``; a word of nothing but marks stays as it is."""
    return _AROUND.sub("", text).lower() or text.strip()
