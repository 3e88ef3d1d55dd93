"""Signed addresses of a meeting's documents: whoever holds one may read that document, until it expires.

As those that buckets sign. Nothing about them is kept; the address says what it is good for, and a keyed digest
(HMAC-SHA256, RFC 2104) makes it ours.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from pathlib import Path

from protocol.errors import Forbidden
from server.key_file import load_key

PREFIX = "/api/v1/download/"
EXPIRES_S = 6 * 3600
_DOMAIN = "earshot document address 1"
_FORM = re.compile(r"([0-9a-f-]{36})\.([1-9][0-9]{0,11})\.([0-9a-f]{64})")


class DownloadUrls:
    """Signs addresses and checks them. ``clock`` gives epoch seconds."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock

    @classmethod
    def load(cls, path: Path, shared: str | None = None) -> DownloadUrls:
        """With the secret at ``path``, which is made when there is none. Blocking. Raises ``OSError``."""
        return cls(load_key(path, shared))

    def url(self, document: str, id_: str) -> str:
        """Path and query, good for ``EXPIRES_S``. ``id_``: of the recording, or of a part."""
        expires_at_s = str(int(self._clock()) + EXPIRES_S)
        token = f"{id_}.{expires_at_s}.{self._sign(document, id_, expires_at_s)}"
        return f"{PREFIX}{document}?token={token}"

    def id_of(self, document: str, token: str) -> str:
        """Of what ``document`` is. Raises ``Forbidden``; ``details.reason`` is ``altered`` or ``expired``."""
        found = _FORM.fullmatch(token)
        if found is None or not hmac.compare_digest(self._sign(document, found[1], found[2]), found[3]):
            raise Forbidden("this address is not as it was signed: use it unchanged", details={"reason": "altered"})
        if self._clock() >= int(found[2]):
            raise Forbidden("this address has expired: ask for the recording again", details={"reason": "expired"})
        return found[1]

    def _sign(self, *parts: str) -> str:
        message = "".join(f"{len(part)}:{part}," for part in (_DOMAIN, *parts))
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()
