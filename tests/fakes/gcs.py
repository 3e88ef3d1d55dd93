"""Google Cloud Storage on loopback, as far as its XML API is S3's: moto keeps the objects, and the door asks for
Google's credentials in place of Amazon's.

After Google's reference of the XML API: a service account's own token (a JWT, RFC 7519, in place of one that was
exchanged), V4 signatures with its RSA key, and 404 for the deletion of what is not there. Addresses are signed for the
name ``storage.googleapis.com``, so this stands where a proxy to Google stands. What it has not: JSON, generations,
storage classes, limits of how often one object is written.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote
from wsgiref.types import WSGIEnvironment

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from werkzeug.wrappers import Response

from server.buckets.options import BucketOptions, GSOptions
from tests.fakes.s3 import ALGORITHM as S3_ALGORITHM
from tests.fakes.s3 import KEY_ID, REGION, Asked, S3Server, refusal

EMAIL = "earshot@tests.iam.gserviceaccount.com"
HOST = "storage.googleapis.com"
ALGORITHM = "GOOG4-RSA-SHA256"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@functools.cache
def key_of(email: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account(email: str = EMAIL) -> str:
    """What its file has."""
    pem = key_of(email).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"type": "service_account", "client_email": email, "private_key_id": "1", "private_key": pem.decode()}
    return json.dumps(account)


class GSServer(S3Server):
    """As ``S3Server``."""

    kind = "gs"

    def options(self, **changed: Any) -> BucketOptions:
        asked = {"endpoint": self.endpoint, "public_endpoint": self.endpoint, "service_account_key": service_account()}
        return GSOptions(**(asked | changed))

    def settings(self, **changed: Any) -> dict[str, Any]:
        asked = {
            "blobs_url": f"{self.place}/of/earshot",
            "gs_endpoint": self.endpoint,
            "gs_public_endpoint": self.endpoint,
            "gs_service_account_key": service_account(),
        }
        return asked | changed

    def _is_signed(self, asked: Asked) -> bool:
        if "X-Goog-Signature" in asked.params:
            return is_signed(asked.method, asked.path, asked.params, asked.headers)
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        return kind == "Bearer" and _is_token(token)

    def _serve(self, asked: Asked, key: str, environ: WSGIEnvironment) -> Response:
        environ["HTTP_AUTHORIZATION"] = f"{S3_ALGORITHM} Credential={KEY_ID}/20260101/{REGION}/s3/aws4_request"
        if asked.method == "DELETE" and key not in self.objects:
            return refusal(404, "NoSuchKey")
        return super()._serve(asked, key, environ)


def _is_token(token: str) -> bool:
    try:
        told = jwt.decode(token, key_of(EMAIL).public_key(), algorithms=["RS256"], issuer=EMAIL)
    except jwt.PyJWTError:
        return False
    return (str(told["sub"]), str(told["scope"])) == (EMAIL, SCOPE)


def is_signed(method: str, path: str, params: dict[str, str], headers: dict[str, str]) -> bool:
    """Whether an address is signed as it must be, now. Besides the host, signed headers are as they were sent."""
    signature = bytes.fromhex(params.pop("X-Goog-Signature"))
    signed, when, life_s = params["X-Goog-SignedHeaders"], params["X-Goog-Date"], int(params["X-Goog-Expires"])
    scope = f"{when[:8]}/auto/storage/goog4_request"
    if (params["X-Goog-Algorithm"], params["X-Goog-Credential"]) != (ALGORITHM, f"{EMAIL}/{scope}"):
        return False
    made_at_s = datetime.strptime(when, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if life_s > 604_800 or not made_at_s - 900 <= time.time() < made_at_s + life_s or "host" not in signed.split(";"):
        return False
    given = headers | {"host": HOST}
    texts = sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in params.items())
    lines = [f"{name}:{given.get(name, '')}\n" for name in signed.split(";")]
    plain = quote(unquote(path), safe="/-_.~")
    canonical = "\n".join([method, plain, "&".join(texts), "".join(lines), signed, "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join([ALGORITHM, when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    try:
        key_of(EMAIL).public_key().verify(signature, to_sign.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
