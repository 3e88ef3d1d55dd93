"""A message that is a JSON object, of whichever socket."""

from __future__ import annotations

import json
from typing import Any

from protocol.errors import InvalidMessage


def json_object(text: str | bytes) -> dict[str, Any]:
    """Raises ``InvalidMessage``. Too deep, not JSON, not an object: all the same to the caller."""
    try:
        sent = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidMessage("a text message must be a JSON object") from None
    if not isinstance(sent, dict):
        raise InvalidMessage("a text message must be a JSON object", details={"got": type(sent).__name__})
    return sent


def text_object(text: str | bytes) -> dict[str, Any]:
    """As ``json_object``, where all of it can be stored and sent back: half of a surrogate pair is refused, too."""
    sent = json_object(text)
    if b"\\u" in text if isinstance(text, bytes) else "\\u" in text:
        try:
            json.dumps(sent, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InvalidMessage("a text message has half of a surrogate pair") from None
    return sent
