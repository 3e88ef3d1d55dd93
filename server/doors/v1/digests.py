"""What a client says its bytes hash to: ``Content-Digest`` (RFC 9530), or ``X-SHA256`` in hex."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from protocol.errors import BadInput

HEADER_MAX_CHARS = 1024
SHA256_HEX = re.compile(r"[0-9a-fA-F]{64}")
_MEMBER = re.compile(r"[ \t]*sha-256[ \t]*=[ \t]*:([0-9A-Za-z+/=]*):[ \t]*", re.IGNORECASE)


def promised_sha256(headers: Mapping[str, str]) -> str | None:
    """In hex; None when nothing is promised that we know (RFC 9530, 2: other algorithms may be passed over).

    Raises ``BadInput`` for one that cannot be read: nobody would notice that nothing was compared.
    """
    promised = {_plain(headers["x-sha256"])} if "x-sha256" in headers else set()
    for member in headers.get("content-digest", "")[:HEADER_MAX_CHARS].split(","):
        if member.strip().lower().startswith("sha-256"):
            promised.add(_structured(member))
    if len(promised) > 1:
        raise BadInput("Content-Digest and X-SHA256 say different things")
    return next(iter(promised), None)


def _plain(text: str) -> str:
    if not SHA256_HEX.fullmatch(text.strip()):
        raise BadInput("X-SHA256 must be 64 hexadecimal digits")
    return text.strip().lower()


def _structured(member: str) -> str:
    match = _MEMBER.fullmatch(member)
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise BadInput("Content-Digest must be such as sha-256=:BASE64:")
    return digest.hex()
