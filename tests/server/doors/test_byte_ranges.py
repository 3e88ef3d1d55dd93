"""The rules of RFC 9110 for files: ranges, conditions, HEAD. What a real client makes of them is in the next file."""

from __future__ import annotations

from collections.abc import Generator
from email.message import Message
from email.parser import BytesParser
from email.utils import formatdate
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from server.doors.byte_ranges import RANGES_MAX, Servable, Span, serve_bytes, wanted_spans

TOTAL = 10_000
BODY = bytes(range(250)) * 40
CHANGED_AT = 1_700_000_000
ETAG = '"abc"'


def served(**options: Any) -> httpx.AsyncClient:
    app = FastAPI()

    def read(start: int, end: int) -> Generator[bytes, None, None]:
        for at in range(start, end, 700):
            yield BODY[at : min(at + 700, end)]

    @app.api_route("/file", methods=["GET", "HEAD"])
    async def file(request: Request) -> Response:
        given: dict[str, Any] = {"length_bytes": TOTAL, "media_type": "audio/wav", "etag": ETAG, "read": read}
        return serve_bytes(request, Servable(**{**given, "modified_at": CHANGED_AT, **options}))

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        (None, None),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=5-2", None),
        ("bytes=0-1;2-3", None),
        ("bytes=0 - 1", None),
        ("bytes=+1-2", None),
        ("bytes=٣-٤", None),
        ("items=0-1", None),
        ("bytes=0-0,9-5", None),  # one is invalid: the header is
        ("bytes=0-0", [(0, 1)]),
        ("BYTES=0-0", [(0, 1)]),
        ("bytes= 0-0 ,\t, 5000-5000 ", [(0, 1), (5000, 5001)]),
        ("bytes=9999-", [(9999, 10_000)]),
        ("bytes=9999-20000", [(9999, 10_000)]),
        ("bytes=0-" + "9" * 100, [(0, 10_000)]),
        ("bytes=-1", [(9999, 10_000)]),
        ("bytes=-20000", [(0, 10_000)]),
        ("bytes=-" + "9" * 500, [(0, 10_000)]),
        ("bytes=10000-", []),
        ("bytes=10000-10001", []),
        ("bytes=" + "9" * 500 + "-", []),
        ("bytes=-0", []),
        ("bytes=-0,10000-", []),
        ("bytes=-0,5-6", [(5, 7)]),  # those that cannot be are left out
        ("bytes=5000-5001,0-1", [(5000, 5002), (0, 2)]),  # as asked for
        ("bytes=100-199,0-49,150-300", [(0, 301)]),  # they overlap, or a part would cost more than the gap
        ("bytes=0-99,4000-4099,50-149", [(0, 150), (4000, 4100)]),
        ("bytes=0-,0-,0-,0-", [(0, 10_000)]),
        ("bytes=" + ",".join(f"{at * 600}-{at * 600}" for at in range(RANGES_MAX)), RANGES_MAX),
        ("bytes=" + ",".join(f"{at * 500}-{at * 500}" for at in range(RANGES_MAX + 1)), None),
        ("bytes=" + "0-0," * 5000, None),
    ],
)
def test_what_a_header_asks_for(header: str | None, spans: list[tuple[int, int]] | int | None) -> None:
    found = wanted_spans(header, TOTAL)
    if isinstance(spans, int):
        assert found is not None
        assert len(found) == spans
    else:
        assert found == (None if spans is None else [Span(*span) for span in spans])


PIECE = st.tuples(st.integers(0, 200) | st.none(), st.integers(0, 200) | st.none())


@given(st.lists(PIECE, min_size=1, max_size=RANGES_MAX), st.integers(0, 150))
def test_the_bytes_given_are_those_asked_for(pieces: list[tuple[int | None, int | None]], total: int) -> None:
    text = ["" if number is None else str(number) for piece in pieces for number in piece]
    header = "bytes=" + ",".join(f"{first}-{last}" for first, last in zip(text[::2], text[1::2], strict=True))
    found = wanted_spans(header, total)
    is_sound = all(
        (first is not None and (last is None or first <= last)) or (first is None and last is not None)
        for first, last in pieces
    )
    assert (found is None) is (not is_sound)
    if found is None:
        return
    asked: set[int] = set()
    for first, last in pieces:
        if first is None:
            asked |= set(range(max(0, total - (last or 0)), total))
        else:
            asked |= set(range(first, total if last is None else min(last + 1, total)))
    given = [at for span in found for at in range(*span)]
    assert asked <= set(given)
    assert len(given) == len(set(given))  # nothing twice, so no more than all of it
    assert all(span.start < span.end <= total for span in found)


def parts_of(response: httpx.Response) -> list[Message]:
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + response.content)
    assert message.is_multipart()
    return [part for part in message.walk() if not part.is_multipart()]


async def test_several_ranges_come_as_parts() -> None:
    async with served() as client:
        response = await client.get("/file", headers={"Range": "bytes=700-1499,-100,0-0"})
    assert response.status_code == 206
    assert response.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert "content-range" not in response.headers
    assert int(response.headers["content-length"]) == len(response.content)
    found = [
        (part["content-type"], part["content-range"], len(part.get_payload(decode=True))) for part in parts_of(response)
    ]
    assert found == [
        ("audio/wav", "bytes 700-1499/10000", 800),
        ("audio/wav", "bytes 9900-9999/10000", 100),
        ("audio/wav", "bytes 0-0/10000", 1),
    ]
    assert b"\r\n\r\n" + BODY[700:1500] + b"\r\n--" in response.content


DATE = formatdate(CHANGED_AT, usegmt=True)
BEFORE = formatdate(CHANGED_AT - 1, usegmt=True)
AFTER = formatdate(CHANGED_AT + 60, usegmt=True)


@pytest.mark.parametrize(
    ("asked", "status", "length"),
    [
        ({}, 200, TOTAL),
        ({"Range": "bytes=0-9"}, 206, 10),
        ({"Range": "bytes=20000-"}, 416, None),
        ({"Range": "lines=1-2"}, 200, TOTAL),
        # If-Range: by a strong tag, or by the very date.
        ({"Range": "bytes=0-9", "If-Range": ETAG}, 206, 10),
        ({"Range": "bytes=0-9", "If-Range": '"other"'}, 200, TOTAL),
        ({"Range": "bytes=0-9", "If-Range": f"W/{ETAG}"}, 200, TOTAL),
        ({"Range": "bytes=0-9", "If-Range": DATE}, 206, 10),
        ({"Range": "bytes=0-9", "If-Range": AFTER}, 200, TOTAL),
        ({"Range": "bytes=0-9", "If-Range": BEFORE}, 200, TOTAL),
        ({"Range": "bytes=0-9", "If-Range": "yesterday"}, 200, TOTAL),
        ({"Range": "bytes=20000-", "If-Range": '"other"'}, 200, TOTAL),
        # If-None-Match: weakly, from a list, and before any range.
        ({"If-None-Match": ETAG}, 304, 0),
        ({"If-None-Match": f'"x", W/{ETAG}'}, 304, 0),
        ({"If-None-Match": '"a,b", "abc"'}, 304, 0),
        ({"If-None-Match": "*"}, 304, 0),
        ({"If-None-Match": '"x"'}, 200, TOTAL),
        ({"If-None-Match": ETAG, "Range": "bytes=0-9"}, 304, 0),
        ({"If-None-Match": '"x"', "If-Modified-Since": DATE}, 200, TOTAL),
        ({"If-Modified-Since": DATE}, 304, 0),
        ({"If-Modified-Since": AFTER}, 304, 0),
        ({"If-Modified-Since": BEFORE}, 200, TOTAL),
        ({"If-Modified-Since": "nonsense"}, 200, TOTAL),
        # If-Match: strongly, and first of all.
        ({"If-Match": ETAG}, 200, TOTAL),
        ({"If-Match": "*"}, 200, TOTAL),
        ({"If-Match": f"W/{ETAG}"}, 412, None),
        ({"If-Match": '"x"', "If-None-Match": ETAG}, 412, None),
        ({"If-Unmodified-Since": BEFORE}, 412, None),
        ({"If-Unmodified-Since": DATE}, 200, TOTAL),
    ],
)
async def test_conditions(asked: dict[str, str], status: int, length: int | None) -> None:
    async with served() as client:
        response = await client.get("/file", headers=asked)
        head = await client.head("/file", headers=asked)
    assert response.status_code == status
    if length is not None:
        assert len(response.content) == length
    assert response.headers["etag"] == ETAG
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["last-modified"] == DATE
    if status == 416:
        assert response.headers["content-range"] == "bytes */10000"
        assert response.json()["error"]["code"] == "RANGE_NOT_SATISFIABLE"
    # A range has no meaning for HEAD (14.2); everything else has the same.
    assert head.status_code == (200 if status in (206, 416) else status)
    assert head.content == b""
    if head.status_code == 200:
        assert head.headers["content-length"] == str(TOTAL)
        assert "content-range" not in head.headers


async def test_without_a_date_that_can_be_trusted_dates_decide_nothing() -> None:
    async with served(modified_at=None) as client:
        for name in ("If-Modified-Since", "If-Unmodified-Since"):
            response = await client.get("/file", headers={name: AFTER})
            assert (response.status_code, "last-modified" in response.headers) == (200, False)
        ranged = await client.get("/file", headers={"Range": "bytes=0-1", "If-Range": DATE})
        assert ranged.status_code == 200
