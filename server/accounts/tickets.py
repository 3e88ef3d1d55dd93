"""Tickets: a right to open one socket as oneself, which may stand in an address because it is gone once it was read.

A browser's socket can set no header, and what stands in a query is written down by whatever stands between. So a page
asks for a ticket with its token, and opens the socket with ``?ticket=``: it holds for seconds, for one handshake, on
any node, and where it was asked for a transcript, for that one alone.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable

from protocol.errors import NotAuthorised
from server.accounts.api_keys import digest_of
from server.accounts.principal import Principal, Scope
from server.store.keys import KeyStore

PREFIX = "tkt_"
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class Tickets:
    """Makes and takes them. ``clock`` gives epoch seconds."""

    def __init__(self, store: KeyStore, *, ticket_s: float, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._ticket_s = ticket_s
        self._clock = clock

    async def make(self, principal: Principal, transcript_id: str | None = None) -> tuple[str, float]:
        """A ticket, and until when (epoch) it holds."""
        ticket = PREFIX + secrets.token_urlsafe(32)
        expires_at = self._clock() + self._ticket_s
        body = {
            "name": principal.name,
            "host": principal.host,
            "id": principal.id,
            "scopes": sorted(principal.scopes),
            "expires_at": principal.expires_at,
            "key_id": principal.key_id,
            "transcript_id": transcript_id,
        }
        await self._store.put_ticket(digest_of(ticket), json.dumps(body), expires_at)
        return ticket, expires_at

    async def redeem(self, ticket: str, transcript_id: str | None) -> Principal:
        """Whose it is. Raises ``NotAuthorised``; the ticket is gone either way."""
        text = await self._store.take_ticket(digest_of(ticket)) if _FORM.fullmatch(ticket) else None
        body = json.loads(text) if text is not None else None
        if body is None or body["transcript_id"] not in (None, transcript_id):
            raise NotAuthorised("this ticket is used, late or not for this; ask for a new one at /v1/tickets")
        return Principal(
            body["name"],
            trusted=True,
            host=body["host"],
            id=body["id"],
            scopes=frozenset(Scope(each) for each in body["scopes"]),
            expires_at=body["expires_at"],
            key_id=body["key_id"],
        )
