"""The documents that a transcript can be had as; apart from ``server.exports``, which is slow to load."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    TXT = "txt"
    TIMESTAMPED = "text-timestamped"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"

    @property
    def suffix(self) -> str:
        """Of a file that holds it."""
        return "txt" if self is ExportFormat.TIMESTAMPED else self.value
