"""Public keys that tokens are checked with. The kind of key decides the one algorithm: a token has no say in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

PEM_MAX_BYTES = 64 * 1024
KEYS_MAX = 64
KID_MAX_CHARS = 200
RSA_LEAST_BITS = 2048
RSA_MOST_BITS = 8192  # checking a signature of a larger one holds everybody up


@dataclass(frozen=True, slots=True)
class SigningKey:
    """``kid``: what its issuer calls it, where it does."""

    algorithm: str
    key: RSAPublicKey | EllipticCurvePublicKey | bytes
    kid: str | None = None


def shared_secret(secret: str) -> SigningKey:
    return SigningKey("HS256", secret.encode())


def read_pem(path: Path) -> SigningKey:
    """The public key in a file. Raises ``ValueError`` that says what is wrong, ``OSError``. Blocking."""
    with path.open("rb") as file:
        data = file.read(PEM_MAX_BYTES)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{path} holds no public key as PEM text (-----BEGIN PUBLIC KEY-----)") from None
    algorithm = _algorithm_of(key)
    if algorithm is None or not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise ValueError(f"{path}: an RSA key of {RSA_LEAST_BITS} to {RSA_MOST_BITS} bits or an EC key P-256 is needed")
    return SigningKey(algorithm, key)


def read_jwks(text: bytes) -> list[SigningKey]:
    """The keys in a JWK Set (RFC 7517) that sign tokens and that we can check. Raises ``ValueError`` for what is none.

    Symmetric keys and private ones are left out: whoever publishes those publishes nothing that proves anything.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise ValueError(f"it has no list of at most {KEYS_MAX} keys")
    return [key for each in listed if isinstance(each, dict) and (key := _read_jwk(each)) is not None]


def _read_jwk(jwk: dict[str, Any]) -> SigningKey | None:
    kid = jwk.get("kid")
    if "d" in jwk or jwk.get("use", "sig") != "sig" or (kid is not None and not _is_kid(kid)):
        return None
    key: object
    try:
        match jwk.get("kty"):
            case "RSA":
                key = RSAAlgorithm.from_jwk(jwk)
            case "EC":
                key = ECAlgorithm.from_jwk(jwk)
            case _:
                return None
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        return None
    algorithm = _algorithm_of(key)
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        return None
    return SigningKey(algorithm, key, kid) if isinstance(key, RSAPublicKey | EllipticCurvePublicKey) else None


def _is_kid(kid: object) -> bool:
    return isinstance(kid, str) and len(kid) <= KID_MAX_CHARS


def _algorithm_of(key: object) -> str | None:
    if isinstance(key, RSAPublicKey) and RSA_LEAST_BITS <= key.key_size <= RSA_MOST_BITS:
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    return None
