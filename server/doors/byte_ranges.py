"""A file given over HTTP: whole, by one range or several, and only when the client's copy is not the same (RFC 9110).

Nothing here knows what the bytes are. What is asked for without sense is answered as the RFC allows it: a header that
is not well formed, or that asks for too many pieces, gets the whole.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple

from fastapi import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from server.doors.errors import envelope

RANGES_MAX = 16  # of one request; players ask for one, readers of PDF and ZIP for a handful
HEADER_MAX_CHARS = 1024
# A gap smaller than what a part costs is sent along (RFC 9110, 15.3.7.2).
COALESCE_BYTES = 128

_UNIT = re.compile(r"[ \t]*bytes[ \t]*=", re.IGNORECASE)
_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_TAG = re.compile(r'[ \t]*(W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|$)')
_BEYOND = 10**18  # as good as any longer number


class Span(NamedTuple):
    """Bytes ``[start, end)``."""

    start: int
    end: int


@dataclass(frozen=True)
class Servable:
    """Bytes of a known length that do not change while they bear this tag.

    ``read(start, end)`` blocks: each piece is taken in a thread. ``modified_at`` (epoch seconds) None: not told.
    """

    length_bytes: int
    media_type: str
    etag: str
    read: Callable[[int, int], Generator[bytes, None, None]]
    modified_at: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def serve_bytes(request: Request, file: Servable) -> Response:
    """The answer to a GET or HEAD for ``file``."""
    headers = {"Accept-Ranges": "bytes", "ETag": file.etag, "Cache-Control": "private, no-cache", **file.headers}
    if file.modified_at is not None:
        headers["Last-Modified"] = formatdate(file.modified_at, usegmt=True)
    refused = _precondition(request, file)
    if refused == 304:
        return Response(status_code=304, headers=headers)
    if refused is not None:
        body = envelope("PRECONDITION_FAILED", "it is not the version that you name", {})
        return JSONResponse(body, refused, headers=headers)
    total = file.length_bytes
    spans = None
    # 14.2: a range is defined for GET alone.
    if request.method == "GET" and _if_range(request, file):
        spans = wanted_spans(request.headers.get("range"), total)
    if spans is not None and not spans:
        body = envelope("RANGE_NOT_SATISFIABLE", "the recording is shorter than that", {"length_bytes": total})
        return JSONResponse(body, 416, headers={**headers, "Content-Range": f"bytes */{total}"})
    if spans is not None and len(spans) > 1:
        return _several(file, spans, headers)
    start, end = spans[0] if spans else Span(0, total)
    if spans:
        headers["Content-Range"] = _content_range(start, end, total)
    headers["Content-Length"] = str(end - start)
    status = 206 if spans else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=file.media_type)
    return StreamingResponse(_pieces(file, [Span(start, end)]), status, headers, file.media_type)


def wanted_spans(header: str | None, total_bytes: int) -> list[Span] | None:
    """What a Range header asks for of so many bytes; none when there is nothing there; None: give the whole.

    The whole is the answer where there is no header, another unit, a header that is not well formed, or too much of it.
    """
    unit = _UNIT.match(header or "")
    if header is None or unit is None or len(header) > HEADER_MAX_CHARS:
        return None
    found: list[Span] = []
    asked = 0
    for text in header[unit.end() :].split(","):
        spec = text.strip(" \t")
        if not spec:
            continue  # 5.6.1.2: empty elements of a list are passed over
        match = _SPEC.fullmatch(spec)
        asked += 1
        if match is None or match.groups() == ("", "") or asked > RANGES_MAX:
            return None
        first, last = (_number(group) for group in match.groups())
        if first is None:
            found.append(Span(max(0, total_bytes - (last or 0)), total_bytes))
        elif last is not None and last < first:
            return None
        else:
            found.append(Span(first, total_bytes if last is None else min(last + 1, total_bytes)))
    if not asked:
        return None
    return _coalesced([span for span in found if span.start < span.end])


def _number(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) <= 18 else _BEYOND


def _coalesced(spans: list[Span]) -> list[Span]:
    """As asked for when they lie apart; else in order, and what overlaps or nearly touches is one."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end + COALESCE_BYTES:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return spans if len(joined) == len(spans) else joined


def _precondition(request: Request, file: Servable) -> int | None:
    """The status that ends the request, in the order of RFC 9110, 13.2.2; None: go on."""
    asked = request.headers
    if "if-match" in asked:
        if not _names(asked["if-match"], file.etag, weak=False):
            return 412
    elif "if-unmodified-since" in asked and file.modified_at is not None:
        since_s = _date(asked["if-unmodified-since"])
        if since_s is not None and file.modified_at > since_s:
            return 412
    if "if-none-match" in asked:
        if _names(asked["if-none-match"], file.etag, weak=True):
            return 304
    elif "if-modified-since" in asked and file.modified_at is not None:
        since_s = _date(asked["if-modified-since"])
        if since_s is not None and file.modified_at <= since_s:
            return 304
    return None


def _if_range(request: Request, file: Servable) -> bool:
    """Whether a range may be given (13.1.5): there is no condition, or it names this very version."""
    condition = request.headers.get("if-range")
    if condition is None:
        return True
    condition = condition.strip()
    if condition.startswith(('"', "W/")):
        return condition == file.etag and not file.etag.startswith("W/")
    return file.modified_at is not None and _date(condition) == file.modified_at


def _names(header: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of tags has this one; ``weak``: whatever its strength (8.8.3.2)."""
    if header.strip() == "*":
        return True
    found = [(bool(match[1]), match[2]) for match in _TAG.finditer(header[: 4 * HEADER_MAX_CHARS])]
    return any(tag == etag and (weak or not is_weak) for is_weak, tag in found)


def _date(text: str) -> float | None:
    try:
        moment: datetime = parsedate_to_datetime(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _content_range(start: int, end: int, total: int) -> str:
    return f"bytes {start}-{end - 1}/{total}"


def _several(file: Servable, spans: Sequence[Span], headers: dict[str, str]) -> Response:
    boundary = secrets.token_hex(16)
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {file.media_type}\r\n"
        f"Content-Range: {_content_range(*span, file.length_bytes)}\r\n\r\n".encode()
        for span in spans
    ]
    heads[0] = heads[0].removeprefix(b"\r\n")
    end = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(span.end - span.start for span in spans) + len(end)
    headers = {**headers, "Content-Length": str(length)}
    body = _pieces(file, spans, heads, end)
    return StreamingResponse(body, 206, headers, f"multipart/byteranges; boundary={boundary}")


async def _pieces(
    file: Servable, spans: Sequence[Span], heads: Sequence[bytes] = (), end: bytes = b""
) -> AsyncIterator[bytes]:
    """Reads in a thread, one piece ahead of nothing: the next is read when the last was taken."""
    for number, span in enumerate(spans):
        if heads:
            yield heads[number]
        pieces = file.read(span.start, span.end)
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece
        finally:
            # A generator holds the file open. One that a thread is still reading from closes when that is done.
            with suppress(ValueError):
                pieces.close()
    if end:
        yield end
