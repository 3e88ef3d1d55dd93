"""Which bucket a setting names: ``s3://bucket``, ``gs://bucket`` or ``az://container``, with a prefix or without."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from protocol.errors import BadInput

Kind = Literal["s3", "gs", "az"]

_NAMES: dict[Kind, str] = {
    "s3": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "gs": r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]",
    "az": r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
}
_PREFIX = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,3}"
_PLACES: dict[Kind, re.Pattern[str]] = {
    kind: re.compile(rf"{kind}://(?P<bucket>{name})(?:/(?P<prefix>{_PREFIX}))?") for kind, name in _NAMES.items()
}


@dataclass(frozen=True, slots=True)
class Place:
    """``bucket``: in Azure's words, the container. ``prefix``: of all keys there; empty: none."""

    kind: Kind
    bucket: str
    prefix: str

    def path_of(self, key: str) -> str:
        """Of a blob within the storage, from the bucket on."""
        return "/".join(("", self.bucket, *((self.prefix,) if self.prefix else ()), key))


def place_of(url: str) -> Place:
    """Raises ``BadInput`` for what names no bucket."""
    for kind, pattern in _PLACES.items():
        if (found := pattern.fullmatch(url)) is not None:
            return Place(kind, found["bucket"], found["prefix"] or "")
    raise BadInput("a bucket is s3://bucket, gs://bucket or az://container, and may have a prefix: s3://bucket/prefix")
