"""A small reader of multipart/form-data (RFC 7578) that never holds more than one piece of a file in memory.

Ours, because a form parser that a framework brings reads the whole body before anybody can say stop, and has had holes
in its limits. Bytes in, parts out; no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from protocol.errors import BadInput

HEADERS_MAX_BYTES = 8 * 1024  # of one part; browsers send some 200 bytes
DISPOSITION_MAX_CHARS = 1024  # of those, the line that is parsed: a field's name and a file's
CONTENT_TYPE_MAX_CHARS = 1024  # the standard library's reader of its parameters takes quadratic time
PARTS_MAX = 16  # a file and a few plain fields
BOUNDARY_MAX_BYTES = 70  # RFC 2046, 5.1.1


@dataclass(frozen=True, slots=True)
class PartBegins:
    """``name`` of the field; ``filename`` None: a plain field."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    pass


Item = PartBegins | PartData | PartEnds


def boundary_of(content_type: str) -> bytes:
    """The boundary of a ``multipart/form-data`` content type. Raises ``BadInput``."""
    if len(content_type) > CONTENT_TYPE_MAX_CHARS:
        raise BadInput("the content type is too long")
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not re.fullmatch(r"[0-9A-Za-z'()+_,./:=? -]{1,70}", boundary):
        raise BadInput("a multipart body needs a boundary")
    return boundary.encode()


class MultipartReader:
    """Feed it the body, piece by piece; every ``feed`` gives the items that are whole by then.

    ``is_done`` once the closing boundary came; a body that ends before it was cut off. What follows it is ignored.
    """

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # As if a line had ended before the first byte, so that the first boundary looks like the others.
        self._buffer = bytearray(b"\r\n")
        self._state = "preamble"  # -> headers -> data -> headers ... -> done
        self._parts = 0

    @property
    def is_done(self) -> bool:
        return self._state == "done"

    def feed(self, data: bytes) -> Iterator[Item]:
        """Raises ``BadInput`` for what is no multipart body."""
        self._buffer += data
        while True:
            before = (self._state, len(self._buffer))
            if self._state in ("preamble", "data"):
                yield from self._until_delimiter()
            elif self._state == "delimited":
                self._after_delimiter()
            elif self._state == "headers":
                yield from self._headers()
            else:
                self._buffer.clear()
            if before == (self._state, len(self._buffer)):
                return

    def _until_delimiter(self) -> Iterator[Item]:
        at = self._buffer.find(self._delimiter)
        in_part = self._state == "data"
        # A delimiter may begin in the last bytes; they wait for more.
        end = at if at >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        if in_part and end:
            yield PartData(bytes(self._buffer[:end]))
        del self._buffer[:end]
        if at >= 0:
            del self._buffer[: len(self._delimiter)]
            self._state = "delimited"
            if in_part:
                yield PartEnds()

    def _after_delimiter(self) -> None:
        if len(self._buffer) < 2:
            return
        if self._buffer.startswith(b"--"):
            self._state = "done"
            return
        # RFC 2046 lets spaces stand after a boundary.
        line, found, _ = self._buffer.partition(b"\r\n")
        if not found:
            if len(self._buffer) > BOUNDARY_MAX_BYTES:
                raise BadInput("the multipart body has a broken boundary")
            return
        if line.strip(b" \t"):
            raise BadInput("the multipart body has a broken boundary")
        # The line's end stays: headers that are none begin with an empty line.
        del self._buffer[: len(line)]
        self._state = "headers"

    def _headers(self) -> Iterator[Item]:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEADERS_MAX_BYTES:
                raise BadInput("a part of the multipart body has too long headers")
            return
        if end > HEADERS_MAX_BYTES:
            raise BadInput("a part of the multipart body has too long headers")
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise BadInput(f"a form may have {PARTS_MAX} parts")
        begins = _begins(bytes(self._buffer[2:end]))
        # The empty line's end stays: a part without data has its delimiter right there.
        del self._buffer[: end + 2]
        self._state = "data"
        yield begins
        if not self._buffer.startswith(self._delimiter):
            del self._buffer[:2]


def _begins(headers: bytes) -> PartBegins:
    for line in headers.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            if len(value) > DISPOSITION_MAX_CHARS:
                raise BadInput("a part of the multipart body has too long headers")
            kind, separator, parameters = value.strip().partition(";")
            if kind.strip().lower() != "form-data":
                break
            found = _parameters(separator + parameters)
            if "name" in found:
                return PartBegins(found["name"], found.get("filename"))
    raise BadInput("a part of the multipart body has no name")


# Browsers escape only the quote, as %22 (HTML, 4.10.21.8); curl and Python write a backslash before it.
_PARAMETER = re.compile(r'\s*;\s*([A-Za-z0-9*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')


def _parameters(text: str) -> dict[str, str]:
    """``;name=value`` after each other, up to what is none. Each is looked for where the last ended: linear time."""
    found = {}
    at = 0
    while match := _PARAMETER.match(text, at):
        at = match.end()
        quoted, plain = match.group(2), match.group(3)
        value = re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else plain
        found[match.group(1).lower()] = value.replace("%22", '"')
    return found
