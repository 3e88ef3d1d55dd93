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
