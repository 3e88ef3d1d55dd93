"""Signed addresses of this server for blobs: whoever holds one may put that one blob, until it expires.

The address itself says what it is good for, and a keyed digest (HMAC-SHA256, RFC 2104) over all of that makes it ours:
the method, the key, the greatest length, the type of the content and the end of its life. So nothing about addresses
is kept, and no account is needed to use one. Within its life it may be used again, such as after an answer that was
lost; what was put before is then replaced.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from protocol.errors import BadInput, Forbidden
from server.blobs import KEY
from server.key_file import KEY_BYTES, load_key

PREFIX = "/blobs/"
METHOD, FORM_METHOD = "PUT", "POST"
# What the digest is of besides: it is good for nothing else that may be signed with the same key, and a change of what
# is signed gets another number.
DOMAIN = "earshot blob address 1"

EXPIRES_MAX_S = 7 * 24 * 3600  # as of addresses that S3 signs
LENGTH_MAX_BYTES = 1 << 40
CONTENT_TYPE_MAX_CHARS = 128

LENGTH, TYPE, EXPIRES, SIGNATURE = "length_max_bytes", "content_type", "expires_at_s", "signature"
PARAMETERS = (LENGTH, TYPE, EXPIRES, SIGNATURE)
KEY_FIELD, TYPE_FIELD = "key", "Content-Type"  # of a form, as buckets name them

_NUMBER = re.compile(r"[1-9][0-9]{0,15}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = r"[A-Za-z0-9!#$&^_.+-]{1,64}"
# RFC 9110, 8.3.1, with few parameters and no escapes in them, such as: audio/webm;codecs=opus
CONTENT_TYPE = rf'{_NAME}/{_NAME}(?: ?; ?{_NAME}=(?:{_NAME}|"[A-Za-z0-9 ,._-]{{0,64}}")){{0,4}}'
_CONTENT_TYPE = re.compile(CONTENT_TYPE)


@dataclass(frozen=True, slots=True)
class Granted:
    """What an address allows: a body of at most so many bytes, and of this type."""

    length_max_bytes: int
    content_type: str


class BlobUrls:
    """Signs addresses and checks them. ``clock`` gives epoch seconds."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < KEY_BYTES:
            raise ValueError(f"a secret has at least {KEY_BYTES} bytes")
        self._secret = secret
        self._clock = clock

    @classmethod
    def load(cls, path: Path, clock: Callable[[], float] = time.time, *, shared: str | None = None) -> BlobUrls:
        """With the secret at ``path``, which is made when there is none. Blocking. Raises ``OSError``."""
        return cls(load_key(path, shared), clock)

    def put_url(self, key: str, *, content_type: str, length_max_bytes: int, expires_s: int) -> str:
        """Path and query to ``PUT`` the blob ``key`` to, within ``expires_s`` seconds from now.

        Raises ``BadInput`` for what cannot be signed: a key that is none, a type that no header could have, a length
        outside of 1 to ``LENGTH_MAX_BYTES``, a life outside of 1 to ``EXPIRES_MAX_S``.
        """
        query = self._granted(METHOD, key, content_type, length_max_bytes, expires_s)
        return f"{PREFIX}{key}?{urlencode(query, quote_via=quote)}"

    def form_fields(self, key: str, *, content_type: str, length_max_bytes: int, expires_s: int) -> dict[str, str]:
        """As ``put_url``, fields of a form that is posted to ``PREFIX`` and the key, before its file."""
        granted = self._granted(FORM_METHOD, key, content_type, length_max_bytes, expires_s)
        return {KEY_FIELD: key, TYPE_FIELD: content_type, **granted}

    def check_form(self, key: str, fields: Mapping[str, str]) -> Granted:
        """What is granted to who posts a form with these fields to ``key``; of others, forms may have any. Raises as
        ``check``."""
        if fields.get(KEY_FIELD) != key:
            raise _altered()
        signed = [(name, fields[name]) for name in PARAMETERS if name in fields]
        return self.check(FORM_METHOD, key, signed, fields.get(TYPE_FIELD))

    def _granted(
        self, method: str, key: str, content_type: str, length_max_bytes: int, expires_s: int
    ) -> dict[str, str]:
        if KEY.fullmatch(key) is None:
            raise BadInput("a blob's key is a path of plain names")
        if not _is_content_type(content_type):
            raise BadInput("this is no content type", details={"content_type": content_type[:CONTENT_TYPE_MAX_CHARS]})
        if not 1 <= length_max_bytes <= LENGTH_MAX_BYTES:
            raise BadInput("an address is for 1 byte or more", details={"max_bytes": LENGTH_MAX_BYTES})
        if not 1 <= expires_s <= EXPIRES_MAX_S:
            raise BadInput("an address lives for 1 s or more, not without end", details={"max_s": EXPIRES_MAX_S})
        length, expires_at_s = str(length_max_bytes), str(int(self._clock()) + expires_s)
        return {
            LENGTH: length,
            TYPE: content_type,
            EXPIRES: expires_at_s,
            SIGNATURE: self._sign(method, key, length, content_type, expires_at_s),
        }

    def check(self, method: str, key: str, params: Iterable[tuple[str, str]], content_type: str | None) -> Granted:
        """What is granted to who asks for ``method`` and ``key``, with all ``params`` of the query and that header.

        Raises ``Forbidden`` for anything that is not as it was signed, and for what has expired;
        ``details.reason`` is ``altered``, ``expired`` or ``content_type``.
        """
        given = list(params)
        query = dict(given)
        if len(given) != len(PARAMETERS) or query.keys() != set(PARAMETERS):
            raise _altered()
        length, signed_type, expires_at_s = query[LENGTH], query[TYPE], query[EXPIRES]
        # Of their form first: what is signed is then plain ASCII, and numbers are numbers.
        is_formed = (
            KEY.fullmatch(key)
            and _NUMBER.fullmatch(length)
            and _NUMBER.fullmatch(expires_at_s)
            and _is_content_type(signed_type)
            and _DIGEST.fullmatch(query[SIGNATURE])
        )
        if not is_formed or not method.isascii():
            raise _altered()
        if not hmac.compare_digest(self._sign(method, key, length, signed_type, expires_at_s), query[SIGNATURE]):
            raise _altered()
        if self._clock() >= int(expires_at_s):
            raise Forbidden("this address has expired: ask for a new one", details={"reason": "expired"})
        if content_type != signed_type:
            raise Forbidden(
                f"this address is for another type: send Content-Type: {signed_type}",
                details={"reason": "content_type", "content_type": signed_type},
            )
        return Granted(int(length), signed_type)

    def _sign(self, *parts: str) -> str:
        # Each with its length before it, so that no two lists of parts are one text.
        message = "".join(f"{len(part)}:{part}," for part in (DOMAIN, *parts))
        return hmac.new(self._secret, message.encode("ascii"), hashlib.sha256).hexdigest()


def _is_content_type(text: str) -> bool:
    return len(text) <= CONTENT_TYPE_MAX_CHARS and _CONTENT_TYPE.fullmatch(text) is not None


def _altered() -> Forbidden:
    return Forbidden("this address is not as it was signed: use it unchanged", details={"reason": "altered"})
