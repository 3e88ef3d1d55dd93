"""Resume tokens: whoever holds one may go on with its track, also after the server was restarted.

A token is the track's id and a keyed digest of it; the key is made once and lies in the data folder. So nothing about
tokens is kept in the database, and a stolen database gives none away.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from protocol.errors import Replaced
from server.key_file import load_key


class ResumeTokens:
    """Makes and checks tokens."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    @classmethod
    def load(cls, path: Path, shared: str | None = None) -> ResumeTokens:
        """With the key at ``path``, which is made when there is none. Blocking."""
        return cls(load_key(path, shared))

    def make(self, transcript_id: str, track_id: str) -> str:
        return f"{track_id}.{self._digest(transcript_id, track_id)}"

    def track_of(self, transcript_id: str, token: str) -> str:
        """The track that ``token`` continues. Raises ``Replaced`` for any other text: begin anew without a token."""
        track_id, _, digest = token.partition(".")
        if not hmac.compare_digest(digest.encode(), self._digest(transcript_id, track_id).encode()):
            raise Replaced("this resume token is not one of this transcript; begin without it")
        return track_id

    def _digest(self, transcript_id: str, track_id: str) -> str:
        return hmac.new(self.key, f"{transcript_id}/{track_id}".encode(), hashlib.sha256).hexdigest()[:43]
