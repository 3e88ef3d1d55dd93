"""Keys that we sign with and nobody else knows: each in a file of the data folder, made once, or made of one secret
that several nodes share."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def load_key(path: Path, shared: str | None = None) -> bytes:
    """The key at ``path``, of at least ``KEY_BYTES``; made, readable by us alone, when there is none. Blocking.

    With a ``shared`` secret it is made of that and the file's name, and there is no file. One that a crash cut short is
    made anew. Raises ``OSError``.
    """
    if shared is not None:
        return hmac.new(shared.encode(), path.name.encode(), hashlib.sha256).digest()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        path.unlink()
        return load_key(path)
    return key
