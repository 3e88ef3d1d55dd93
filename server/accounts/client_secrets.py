"""Client secrets: what a page is given to open Realtime sessions with, for some minutes, in place of a key that lasts.

Whoever has one may talk as whoever made it, and do nothing else. It says what its sessions ask for besides.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from protocol.errors import NotAuthorised
from server.accounts.api_keys import digest_of
from server.accounts.principal import Principal, Scope
from server.store.keys import KeyStore

PREFIX = "ek_"
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


def is_client_secret(text: str) -> bool:
    return _FORM.fullmatch(text) is not None


class ClientSecrets:
    """Makes and finds them. ``clock`` gives epoch seconds."""

    def __init__(self, store: KeyStore, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def make(self, principal: Principal, session: dict[str, Any], *, lasts_s: float) -> tuple[str, float]:
        """A secret, and until when (epoch) sessions may be opened with it. ``session``: what these ask for."""
        secret = PREFIX + secrets.token_urlsafe(32)
        expires_at = self._clock() + lasts_s
        body = {
            "name": principal.name,
            "id": principal.id,
            "scopes": sorted(principal.scopes),
            "expires_at": principal.expires_at,
            "key_id": principal.key_id,
            "session": session,
        }
        await self._store.put_ticket(digest_of(secret), json.dumps(body), expires_at)
        return secret, expires_at

    async def identify(self, secret: str) -> Principal:
        """Who may talk by it: as long as whoever made it may. Raises ``NotAuthorised``."""
        body = await self._body(secret)
        if body is None:
            raise NotAuthorised("this client secret is over, or never was one: make another", details={"lapsed": True})
        return Principal(
            body["name"],
            trusted=True,
            id=body["id"],
            scopes=frozenset(Scope(each) for each in body["scopes"]),
            expires_at=body["expires_at"],
            key_id=body["key_id"],
            talks_only=True,
        )

    async def session_of(self, secret: str) -> dict[str, Any]:
        """What its sessions ask for; nothing where it is over."""
        body = await self._body(secret)
        session: dict[str, Any] = body["session"] if body is not None else {}
        return session

    async def _body(self, secret: str) -> dict[str, Any] | None:
        text = await self._store.look_at_ticket(digest_of(secret))
        body: dict[str, Any] | None = json.loads(text) if text is not None else None
        return body
