"""A text cut into parts that a model can read one by one: all of it, in order, each within so many tokens. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from server.language_models.lines import Line
from server.language_models.tokens import BYTES_OF_A_TOKEN, estimated


def parts_of(lines: Iterable[Line], tokens_max: int) -> list[list[Line]]:
    """Lines that follow each other, as many as fit; one that is too long by itself goes on in the next part, under its
    number and its time. ``tokens_max`` must leave room for what stands before a line's text.
    """
    parts: list[list[Line]] = []
    left = 0
    for line in lines:
        for piece in _fitting(line, tokens_max):
            if piece.tokens > left:
                parts.append([])
                left = tokens_max
            parts[-1].append(piece)
            left -= piece.tokens
    return parts


def groups_of(texts: Sequence[str], tokens_max: int) -> list[list[str]]:
    """Texts that follow each other, as many as fit together with an empty line between them, and at least one."""
    groups: list[list[str]] = []
    left = 0
    for text in texts:
        tokens = estimated(text) + 1
        if tokens > left or not groups:
            groups.append([])
            left = tokens_max
        groups[-1].append(text)
        left -= tokens
    return groups


def _fitting(line: Line, tokens_max: int) -> Iterator[Line]:
    if line.tokens <= tokens_max:
        yield line
        return
    before = replace(line, text="").tokens
    bytes_max = max(1, tokens_max - before) * BYTES_OF_A_TOKEN
    data = line.text.encode("utf-8", "replace")
    while data:
        text = data[:bytes_max].decode("utf-8", "ignore") or data.decode("utf-8", "ignore")[:1]
        if len(text.encode()) < len(data):
            space = text.rfind(" ", len(text) // 2)
            text = text[: space + 1] if space > 0 else text
        data = data[len(text.encode()) :]
        yield replace(line, text=text.strip())
