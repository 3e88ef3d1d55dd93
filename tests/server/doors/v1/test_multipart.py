"""The multipart reader: whole and in pieces it gives the same parts, and nothing makes it fail otherwise."""

from __future__ import annotations

import contextlib
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadInput
from server.doors.v1.multipart import (
    DISPOSITION_MAX_CHARS,
    HEADERS_MAX_BYTES,
    PARTS_MAX,
    MultipartReader,
    PartBegins,
    PartData,
    _parameters,
    boundary_of,
)

Parts = list[tuple[str, str | None, bytes]]


def body_of(parts: Parts, boundary: bytes = b"XX") -> bytes:
    body = b""
    for name, filename, data in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
        body += b"--" + boundary + b"\r\nContent-Disposition: " + disposition.encode()
        body += b"\r\nContent-Type: application/x\r\n\r\n" + data + b"\r\n"
    return body + b"--" + boundary + b"--\r\n"


def read(pieces: list[bytes], boundary: bytes = b"XX") -> tuple[Parts, bool]:
    reader = MultipartReader(boundary)
    parts: Parts = []
    for piece in pieces:
        for item in reader.feed(piece):
            if isinstance(item, PartBegins):
                parts.append((item.name, item.filename, b""))
            elif isinstance(item, PartData):
                name, filename, data = parts[-1]
                parts[-1] = (name, filename, data + item.data)
    return parts, reader.is_done


PARTS: Parts = [("file", "a b.wav", b"RIFF\r\n--X\r\n--\r\n\r\n"), ("empty", None, b""), ("name", None, b"caf\xc3\xa9")]


def test_a_body_gives_its_parts() -> None:
    assert read([body_of(PARTS)]) == (PARTS, True)


def test_byte_by_byte_gives_the_same() -> None:
    body = body_of(PARTS)
    assert read([body[i : i + 1] for i in range(len(body))]) == (PARTS, True)


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=6))
def test_data_goes_through_unchanged_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    body = body_of([("file", "x", data)])
    edges = sorted({0, len(body), *(min(cut, len(body)) for cut in cuts)})
    pieces = [body[a:b] for a, b in itertools.pairwise(edges)]
    parts, is_done = read(pieces)
    if b"\r\n--XX" not in b"\r\n" + data:
        assert (parts, is_done) == ([("file", "x", data)], True)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_anything_else_is_refused_or_unfinished(pieces: list[bytes]) -> None:
    with contextlib.suppress(BadInput):
        read([b"--XX\r\n", *pieces])


@given(st.integers(0, 200))
def test_a_cut_body_is_not_done(at: int) -> None:
    body = body_of(PARTS)[:-4]
    assert not read([body[:at]])[1]


@pytest.mark.parametrize(
    "body",
    [
        b"--XX\r\n\r\ndata\r\n--XX--",
        b"--XX\r\nContent-Type: text/plain\r\n\r\ndata\r\n--XX--",
        b"--XX\r\nContent-Disposition: attachment; name=x\r\n\r\ndata\r\n--XX--",
        b"--XX\r\nContent-Disposition: form-data; name=" + b"x" * DISPOSITION_MAX_CHARS + b"\r\n\r\ndata\r\n--XX--",
        b"--XX\r\nContent-Disposition: form-data; " + b"a" * 8000 + b"\r\n\r\ndata\r\n--XX--",
        b"--XXjunk\r\nContent-Disposition: form-data; name=x\r\n\r\ndata\r\n--XX--",
        b"--XX\r\nX: " + b"y" * HEADERS_MAX_BYTES + b"\r\n\r\n",
        b"--XX\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n" * 40,
        b"--XX" + b"y" * 200,
    ],
)
def test_broken_bodies_are_bad_input(body: bytes) -> None:
    with pytest.raises(BadInput):
        read([body])


def test_names_with_quotes_and_backslashes() -> None:
    body = b'--XX\r\ncontent-disposition: form-data; name="file"; filename="a\\"b%22c.wav"\r\n\r\nx\r\n--XX--'
    assert read([body])[0] == [("file", 'a"b"c.wav', b"x")]


@pytest.mark.parametrize("filler", ["a", ";", '"', "\\", " ", ";a=", ';a="', '="', ";a", "; ", '\\"'])
def test_reading_parameters_takes_linear_time(filler: str) -> None:
    hostile = f"form-data; name=x; {filler * 8000}"[:100_000]
    began_s = time.thread_time()
    _parameters(hostile)
    # Quadratic reading takes a minute of this; linear a few milliseconds.
    assert time.thread_time() - began_s < 1.0


def test_a_form_of_many_parts_is_refused() -> None:
    parts: Parts = [(f"field{number}", None, b"x") for number in range(PARTS_MAX)]
    assert read([body_of(parts)])[1]
    with pytest.raises(BadInput, match="parts"):
        read([body_of([*parts, ("one-more", None, b"x")])])


def test_parameters_in_every_spelling() -> None:
    assert _parameters("; name=plain ;filename = \"a;b=c\";filename*=UTF-8''x; x-y=1;") == {
        "name": "plain",
        "filename": "a;b=c",
        "filename*": "UTF-8''x",
        "x-y": "1",
    }
    assert _parameters("; name=x; nonsense; filename=y") == {"name": "x"}


def test_the_boundary_is_read_and_checked() -> None:
    assert boundary_of("multipart/form-data; boundary=abc") == b"abc"
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
    for content_type in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
        'multipart/form-data; boundary=abc; a="' + ";" * 60_000,
    ):
        with pytest.raises(BadInput):
            boundary_of(content_type)
