"""The documents that a transcript can be had as. Apart from ``server.exports``: the command line's help needs only this."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    TXT = "txt"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
