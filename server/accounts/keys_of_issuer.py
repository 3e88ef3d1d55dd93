"""The keys of an issuer, fetched from where it publishes them and kept: it is asked seldom, and may be down.

With OpenID Connect the address of the keys is discovered first (its discovery document); else it is configured. Answers
are bounded in size and time and redirects are not followed. A token with an unknown key may mean that the issuer has a
new one, so it is asked again; but not more often than once in a while, whatever strangers send.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import structlog

from protocol.errors import TryLater
from server.accounts.signing_keys import SigningKey, read_jwks
from server.outbound import is_loopback, json_client

log = structlog.get_logger(__name__)

ANSWER_MAX_BYTES = 256 * 1024
CONNECTIONS_MAX = 2  # the discovery document may lie on another host than the keys
FIRST_AGAIN_S = 5.0  # while there are no keys at all, nobody can sign in
DISCOVERY = "/.well-known/openid-configuration"


def check_issuer_url(url: str) -> str:
    """Raises ``ValueError``: whoever can change what comes from there can sign in as anybody."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a plain URL with a host is needed, such as https://id.example.org/realm")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("it must begin with https:// (http:// is for this machine alone)")
    return url


class _Unusable(Exception):
    """What the issuer answered cannot be used; says why."""


class IssuerKeys:
    """Give ``issuer`` or ``jwks_url``. ``clock`` gives seconds that only move on."""

    def __init__(
        self,
        *,
        issuer: str | None = None,
        jwks_url: str | None = None,
        deadline_s: float,
        again_s: float,
        age_max_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._deadline_s = deadline_s
        self._again_s = again_s
        self._age_max_s = age_max_s
        self._clock = clock
        self._keys: list[SigningKey] = []
        self._tried_at = self._fetched_at = -float("inf")
        self._fetching: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key that a token names; without a name the only one for the algorithm. None: there is none.

        Raises ``TryLater`` while there are no keys because the issuer cannot be asked.
        """
        if self._clock() - self._fetched_at > self._age_max_s:
            self._begin()
        found = self._known(kid, algorithm)
        if found is None:
            self._begin()
            if self._fetching is not None:
                await asyncio.shield(self._fetching)
            found = self._known(kid, algorithm)
        if found is None and not self._keys:
            raise TryLater("nobody can sign in now: the issuer of tokens does not answer", retry_after_s=FIRST_AGAIN_S)
        return found

    def _known(self, kid: str | None, algorithm: str) -> SigningKey | None:
        fitting = [key for key in self._keys if key.algorithm == algorithm and (kid is None or key.kid == kid)]
        return fitting[0] if len(fitting) == 1 else None

    def _begin(self) -> None:
        """Ask the issuer, unless that is being done or was done a moment ago."""
        if self._fetching is not None and not self._fetching.done():
            return
        again_s = self._again_s if self._keys else min(self._again_s, FIRST_AGAIN_S)
        if self._clock() - self._tried_at < again_s:
            self._fetching = None
            return
        self._tried_at = self._clock()
        self._fetching = asyncio.create_task(self._fetch(), name="issuer's keys")

    async def _fetch(self) -> None:
        """What was known stays when this fails."""
        try:
            async with asyncio.timeout(self._deadline_s):
                url = self._jwks_url or await self._discover()
                data = await self._get(url)
                keys = await asyncio.to_thread(read_jwks, data)
            if not keys:
                raise _Unusable("it publishes no key that we can use (RS256 or ES256)")
        except (
            _Unusable,
            ValueError,
            RecursionError,
            TimeoutError,
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
        ) as error:
            why = str(error) if isinstance(error, _Unusable | ValueError) else type(error).__name__
            log.warning("keys of the issuer of tokens cannot be had", reason=why, known=len(self._keys))
            return
        self._keys = keys
        self._fetched_at = self._clock()

    async def _discover(self) -> str:
        assert self._issuer is not None
        document = json.loads(await self._get(self._issuer.rstrip("/") + DISCOVERY))
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            # RFC 8414, 3.3: else one tenant of a host could speak for another.
            raise _Unusable("its discovery document names another issuer than auth_issuer")
        return check_issuer_url(str(document.get("jwks_uri", "")))

    async def _get(self, url: str) -> bytes:
        if self._http is None:
            self._http = await json_client(url, deadline_s=self._deadline_s, connections_max=CONNECTIONS_MAX)
        data = bytearray()
        async with self._http.stream("GET", url) as response:
            if response.status_code != 200:
                raise _Unusable(f"it answers {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise _Unusable("it answers compressed, which was not asked for")
            async for piece in response.aiter_raw():
                data += piece
                if len(data) > ANSWER_MAX_BYTES:
                    raise _Unusable(f"it answers more than {ANSWER_MAX_BYTES} bytes")
        return bytes(data)
