"""The pieces of words that a model was trained on, with their scores: from ``bpe.vocab``, or sentencepiece's own file.

A sentencepiece model is a protobuf: repeated field 1, a piece with its text (field 1) and score (field 2, a float).
Source: sentencepiece_model.proto. Only that is read, so that no library is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_pieces(folder: Path) -> dict[str, float]:
    """Piece to score (a log probability). Empty when there is neither file, or it is not what its name says."""
    try:
        if (folder / "bpe.vocab").is_file():
            return _from_table((folder / "bpe.vocab").read_text("utf-8"))
        if (folder / "bpe.model").is_file():
            return _from_model((folder / "bpe.model").read_bytes())
    except (OSError, ValueError, IndexError, struct.error):  # hotwords are lost, the model is not
        pass
    return {}


def _from_table(text: str) -> dict[str, float]:
    rows = (line.split("\t") for line in text.splitlines() if line)
    return {piece: float(score) for piece, score in rows if not piece.startswith("<")}


def _from_model(data: bytes) -> dict[str, float]:
    pieces = {}
    for field, value in _fields(data):
        if field != 1 or not isinstance(value, bytes):
            continue
        inner = dict(_fields(value))
        piece, score = inner.get(1, b""), inner.get(2, b"")
        if isinstance(piece, bytes) and isinstance(score, bytes) and len(score) == 4:
            pieces[piece.decode("utf-8")] = float(struct.unpack("<f", score)[0])
    return {piece: score for piece, score in pieces.items() if piece and not piece.startswith("<")}


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("this is no protobuf")
        if at + size > len(data):
            raise ValueError("the file is cut off")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
