"""Whose bots there are: each maker's speak in their own way."""

from __future__ import annotations

from enum import StrEnum


class Dialect(StrEnum):
    RECALL = "recall"
    ATTENDEE = "attendee"
    LEGACY = "legacy"
