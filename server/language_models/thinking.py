"""What a reasoning model says to itself before it answers, which is no part of the answer. Pure."""

from __future__ import annotations

BEGIN, END = "<think>", "</think>"


class Thinking:
    """Takes an answer piece by piece, and gives back what of it is the answer.

    What begins with ``<think>`` is thought until ``</think>``; of an answer that never comes to that, nothing is left.
    """

    def __init__(self) -> None:
        self._held = ""
        self._is_over = False

    def feed(self, piece: str) -> str:
        if self._is_over:
            return piece
        self._held += piece
        begun = self._held.lstrip()
        if not begun.startswith(BEGIN):
            return "" if BEGIN.startswith(begun) else self._release(self._held)
        _, end, rest = begun.partition(END)
        # A space or an empty line between the thought and the answer may come with the next piece.
        return self._release(rest.lstrip()) if end and rest.strip() else ""

    def rest(self) -> str:
        """What was held back at the end."""
        begun = self._held.lstrip()
        return "" if self._is_over or begun.startswith(BEGIN) else self._release(self._held)

    def _release(self, text: str) -> str:
        self._is_over = True
        self._held = ""
        return text


def without_thinking(text: str) -> str:
    thinking = Thinking()
    return (thinking.feed(text) + thinking.rest()).strip()
