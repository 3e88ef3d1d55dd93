"""What schemathesis is told of our API besides the document: how bodies look that are neither JSON nor forms."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def as_text(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Text as it is; of anything else, which is no such body, its name in Python."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
