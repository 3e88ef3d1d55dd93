"""The documents that a transcript can be had as; apart from ``server.exports``, which is slow to load."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    TXT = "txt"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
