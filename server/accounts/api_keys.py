"""API keys: what programs carry in place of a person's token. Shown once, kept as a digest, revoked at will."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import time
import uuid
from collections.abc import Callable, Collection

from protocol.errors import Conflict, EarshotError, Forbidden, NotAuthorised, NotFound
from server.accounts.principal import EVERYTHING, OF_A_KEY, Principal, Scope
from server.store.keys import ApiKey, KeyStore

# Known by sight, also to tools that look for secrets where none should be.
PREFIX = "earshot_"
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
LISTED_MAX = 1000


def is_api_key(text: str) -> bool:
    return _FORM.fullmatch(text) is not None


def digest_of(secret: str) -> str:
    """Plain SHA-256 is enough for 256 random bits: there is nothing to guess, so nothing to slow down."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys:
    """Makes, finds and revokes them. ``clock`` gives epoch seconds."""

    def __init__(self, store: KeyStore, *, keys_max: int, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keys_max = keys_max
        self._clock = clock

    async def make(
        self,
        maker: Principal,
        *,
        name: str = "",
        scopes: Collection[Scope] | None = None,
        expires_at: float | None = None,
    ) -> tuple[ApiKey, str]:
        """The key's record, and the key, which nobody is ever shown again.

        Raises ``Forbidden`` for more than the maker has, ``Conflict`` when they have too many.
        """
        has = EVERYTHING if maker.is_admin else maker.scopes
        wanted = frozenset(scopes) if scopes is not None else OF_A_KEY & has
        if more := wanted - has:
            raise Forbidden(
                "a key cannot have more than the one who makes it",
                details={"scopes": sorted(each.value for each in more)},
            )
        if not maker.host and maker.id is None:
            raise Conflict("this key would belong to nobody: sign in as a person")
        if maker.key_id is not None and maker.expires_at is not None:
            # What a key makes does not outlive it.
            expires_at = min(expires_at or maker.expires_at, maker.expires_at)
        key = PREFIX + secrets.token_urlsafe(32)
        record = await self._store.create(
            str(uuid.uuid4()),
            owner=maker.id,
            name=name,
            digest=digest_of(key),
            scopes=sorted(wanted),
            expires_at=expires_at,
            keys_max=self._keys_max,
        )
        return record, key

    async def identify(self, key: str) -> Principal:
        """Raises ``NotAuthorised`` for one that is unknown, revoked or expired."""
        record = await self._store.by_digest(digest_of(key))
        if record is None or not record.is_valid(self._clock()):
            lapsed = {"lapsed": True} if record is not None else {}
            raise NotAuthorised("this API key is unknown, revoked or expired", details=lapsed)
        with contextlib.suppress(EarshotError):  # it says when, to people; nothing waits for that
            await self._store.used(record)
        scopes = EVERYTHING if Scope.ADMIN in record.scopes else frozenset(Scope(each) for each in record.scopes)
        return Principal(
            record.name or "API key",
            trusted=True,
            host=Scope.ADMIN in scopes,
            id=record.owner,
            scopes=scopes,
            expires_at=record.expires_at,
            key_id=record.id,
        )

    async def check(self, key_id: str) -> None:
        """Raises ``NotAuthorised`` when the key holds no more."""
        record = await self._store.get(key_id)
        if record is None or not record.is_valid(self._clock()):
            raise NotAuthorised("this API key was revoked or has expired")

    async def of(self, principal: Principal) -> list[ApiKey]:
        """One's own; an admin's are everybody's."""
        return await self._store.of(principal.viewer, LISTED_MAX)

    async def revoke(self, key_id: str) -> None:
        """At once for requests, and within the time of a look for sockets. Raises ``NotFound``."""
        if not await self._store.revoke(key_id):
            raise NotFound("no such API key")
