"""JSON Web Tokens (RFC 7519, checked as RFC 8725 advises) made into principals.

The algorithm is that of the key which was configured or published, never the token's choice. Nothing in a token is read
before its signature holds but the name of the key; and addresses of keys in it (``jku``, ``x5u``, ``jwk``) never are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import jwt

from protocol.errors import NotAuthorised
from server.accounts.principal import EVERYTHING, OWN_THINGS, Principal
from server.accounts.signing_keys import KID_MAX_CHARS, SigningKey

ALGORITHMS = frozenset({"HS256", "RS256", "ES256"})
SUB_MAX_CHARS = 255  # OpenID Connect Core 1.0, section 2
EXP_MOST = 32_503_680_000.0  # the year 3000: what calendars can show
NAME_CLAIMS = ("name", "preferred_username", "email")
NAME_MAX_CHARS = 200

# What a library's error means to whoever signs in. Bases come after what derives from them.
_MEANINGS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "this token has expired; sign in again"),
    (jwt.ImmatureSignatureError, "this token does not hold yet"),
    (jwt.InvalidAudienceError, "this token is for another audience"),
    (jwt.InvalidIssuerError, "this token is of another issuer"),
    (jwt.MissingRequiredClaimError, "this token lacks a claim: exp and sub are needed, and what the server checks"),
    (jwt.InvalidSignatureError, "this token's signature is wrong"),
)


class Keys(Protocol):
    """Where the keys are."""

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None: ...


class OneKey:
    """A key that was configured. Its issuer may give it any name, or none."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        return self._key if algorithm == self._key.algorithm else None


class Tokens:
    """Checks tokens. ``admin_claim`` names the claim in which ``admin_value`` makes an admin; dots lead into it."""

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str | None,
        audiences: Sequence[str],
        leeway_s: float,
        max_bytes: int,
        admin_claim: str,
        admin_value: str,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audiences = list(audiences)
        self._leeway_s = leeway_s
        self._max_bytes = max_bytes
        self._admin_claim = admin_claim
        self._admin_value = admin_value

    async def identify(self, token: str) -> Principal:
        """Raises ``NotAuthorised`` that says why; ``TryLater`` when the issuer cannot be asked for its keys."""
        if len(token) > self._max_bytes:
            raise NotAuthorised("this token is too long", details={"max_bytes": self._max_bytes})
        kid, algorithm = _head(token)
        key = await self._keys.find(kid, algorithm)
        if key is None or key.algorithm != algorithm:
            raise NotAuthorised("this token is signed with a key that is not known here, or not as that key signs")
        try:
            claims = self._claims(token, key)
            expires_at = min(float(claims["exp"]) + self._leeway_s, EXP_MOST)
        except jwt.PyJWTError as error:
            # Its signature held, so a tab that was left open is no one who guesses.
            lapsed = {"lapsed": True} if isinstance(error, jwt.ExpiredSignatureError) else {}
            raise NotAuthorised(_meaning(error), details=lapsed) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise NotAuthorised("this token's claims are not as documented") from None
        sub = claims["sub"]
        if not isinstance(sub, str) or not 0 < len(sub) <= SUB_MAX_CHARS or not sub.isprintable():
            raise NotAuthorised("this token names nobody: sub must be a short text")
        is_admin = self._is_admin(claims)
        return Principal(
            _name(claims) or sub,
            trusted=True,
            host=is_admin,
            id=sub,
            scopes=EVERYTHING if is_admin else OWN_THINGS,
            expires_at=expires_at,
        )

    def _claims(self, token: str, key: SigningKey) -> dict[str, Any]:
        required = ["exp", "sub", *(["aud"] if self._audiences else []), *(["iss"] if self._issuer else [])]
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            # Without one configured a token that is meant for somebody in particular is not meant for us.
            audience=self._audiences or None,
            issuer=self._issuer,
            leeway=self._leeway_s,
            options={"require": required},
        )
        return claims

    def _is_admin(self, claims: dict[str, Any]) -> bool:
        found: Any = claims.get(self._admin_claim)
        if found is None:
            found = claims
            for part in self._admin_claim.split("."):
                found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, str):
            found = found.split()
        return isinstance(found, list) and self._admin_value in found


def _head(token: str) -> tuple[str | None, str]:
    """The key's name and the algorithm that a token claims."""
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise NotAuthorised("this is no token that the server knows") from None
    kid, algorithm = head.get("kid"), head.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise NotAuthorised("this token is not signed as the server asks (HS256, RS256 or ES256)")
    if kid is not None and (not isinstance(kid, str) or len(kid) > KID_MAX_CHARS):
        raise NotAuthorised("this is no token that the server knows")
    return kid, algorithm


def _meaning(error: jwt.PyJWTError) -> str:
    return next((text for kind, text in _MEANINGS if isinstance(error, kind)), "this token is not valid")


def _name(claims: dict[str, Any]) -> str:
    names = (claims.get(claim) for claim in NAME_CLAIMS)
    return next((name[:NAME_MAX_CHARS] for name in names if isinstance(name, str) and name.strip()), "")
