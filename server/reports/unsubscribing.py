"""Tokens that let somebody end their subscription without an account. Nothing about them is kept.

A token is the subscription's id and a keyed digest over it and its project (HMAC-SHA256, RFC 2104). It holds for as
long as there is the subscription.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Self

from protocol.ids import is_transcript_id
from server.key_file import KEY_BYTES, load_key

DOMAIN = "earshot report subscription 1"
TOKEN_MAX_CHARS = 200


class UnsubscribeTokens:
    def __init__(self, secret: bytes) -> None:
        if len(secret) < KEY_BYTES:
            raise ValueError(f"a secret has at least {KEY_BYTES} bytes")
        self._secret = secret

    @classmethod
    def load(cls, path: Path, shared: str | None = None) -> Self:
        """With the key at ``path``, which is made where there is none. Blocking. Raises ``OSError``."""
        return cls(load_key(path, shared))

    def make(self, project_id: str, subscription_id: str) -> str:
        return f"{subscription_id}.{self._digest(project_id, subscription_id)}"

    def subscription_of(self, project_id: str, token: str) -> str | None:
        """The id of the subscription that the token is of; None where we did not make it, for this project."""
        subscription_id, _, digest = token[:TOKEN_MAX_CHARS].partition(".")
        if not is_transcript_id(subscription_id):
            return None
        wanted = self._digest(project_id, subscription_id)
        return subscription_id if hmac.compare_digest(digest.encode("utf-8", "replace"), wanted.encode()) else None

    def _digest(self, project_id: str, subscription_id: str) -> str:
        text = "\n".join((DOMAIN, project_id, subscription_id))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
