"""Moments as clients write them in queries."""

from __future__ import annotations

import re

from pydantic import BeforeValidator

_NUMBER = re.compile(r"\s*[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?\s*")


def _not_a_number(value: object) -> object:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise ValueError("write a moment as in 2026-01-31T12:00:00Z")
    return value


# A number could be seconds or milliseconds, and our library guesses which by its size.
WRITTEN_OUT = BeforeValidator(_not_a_number)
