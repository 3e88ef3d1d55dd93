"""How a track's file lies in the bucket: in pieces, each an object whose name says where it begins. Pure.

A track is opened again and again, by one node after the other, and each opening has a *turn*: a number that the
database counts up. A node that went on when it was not to any more (it was thought dead, and lived) may still put a
piece under its old turn. So what a turn put is only good up to where the first piece of any later turn begins: an empty
one, which a node that takes a track over puts before anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from server.blobs import Listed

ROOT = "recordings"
UPLOAD = "upload"
"""The file that a track is heard from lies beside its pieces."""

_NAME = re.compile(r"(\d{12})-(\d{10})")


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """``[begin_bytes, end_bytes)`` of the file; of the object ``key`` what is at its beginning."""

    begin_bytes: int
    end_bytes: int
    key: str


def folder_of(path: str) -> str:
    """Of a track, by its ``path``; or of all tracks of a transcript, by its id."""
    return f"{ROOT}/{path}"


def key_of(path: str, begin_bytes: int, turn: int) -> str:
    return f"{folder_of(path)}/{begin_bytes:012d}-{turn:010d}"


def upload_key(path: str) -> str:
    return f"{folder_of(path)}/{UPLOAD}"


def good_pieces(found: Iterable[Listed]) -> list[Piece]:
    """What the file is made of, from its beginning on without a gap; nothing that a later turn took back."""
    named = sorted(
        ((turn, begin, blob) for blob in found if (place := _place(blob.key)) for begin, turn in [place]),
        key=lambda each: (-each[0], each[1]),
    )
    good: list[Piece] = []
    until_bytes: float = float("inf")
    for _, turns in groupby(named, key=lambda each: each[0]):
        first_bytes: float = until_bytes
        for _, begin, blob in turns:
            first_bytes = min(first_bytes, begin)
            end = int(min(begin + blob.length_bytes, until_bytes))
            if end > begin:
                good.append(Piece(begin, end, blob.key))
        until_bytes = first_bytes
    return _unbroken(sorted(good))


def _place(key: str) -> tuple[int, int] | None:
    """Where it begins, and its turn."""
    found = _NAME.fullmatch(key.rpartition("/")[2])
    return None if found is None else (int(found[1]), int(found[2]))


def _unbroken(pieces: list[Piece]) -> list[Piece]:
    whole: list[Piece] = []
    for piece in pieces:
        if piece.begin_bytes != (whole[-1].end_bytes if whole else 0):
            break
        whole.append(piece)
    return whole
