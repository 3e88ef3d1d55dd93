"""A transcript as models are given it: a line a segment, numbered, with its time and who says it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.exports import SENTENCE_END, clean, in_order
from server.language_models.tokens import estimated

SPEAKER_MAX_CHARS = 100
LINE_CHARS = 400  # of text without times: so long, and it goes on in another line at the end of a sentence


@dataclass(frozen=True)
class Line:
    """What one segment says. Times are samples since the transcript began; None: nobody knows.

    No text of it can begin another line: what could is taken out.
    """

    number: int  # from 1
    start_samples: int | None
    end_samples: int | None
    speaker: str
    text: str

    @property
    def said(self) -> str:
        """``Anna: what she said``."""
        return f"{self.speaker}: {self.text}" if self.speaker else self.text

    @property
    def timed(self) -> str:
        """The same with its time before it."""
        return self.said if self.start_samples is None else f"[{time_of(self.start_samples)}] {self.said}"

    @property
    def shown(self) -> str:
        """The same with its number before it, as models read it."""
        return f"{self.number} {self.timed}"

    @cached_property
    def tokens(self) -> int:
        """Estimated, with the end of the line."""
        return estimated(self.shown + "\n")

    def segment(self) -> Segment:
        """As everything that works without a model takes it: in order by its number where it has no times."""
        return Segment(
            segment_id=f"{self.number:09}",
            track="",
            text=self.text,
            start_samples=self.start_samples or 0,
            end_samples=self.end_samples or 0,
            is_final=True,
            speaker=self.speaker or None,
        )


def time_of(samples: int) -> str:
    """``HH:MM:SS``."""
    seconds = samples // SAMPLE_RATE_HZ
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def lines_of(segments: Iterable[Segment], offsets: dict[str, int] | None = None) -> list[Line]:
    """In the order they were begun; those without text are left out.

    ``offsets``: for each track, how many samples after the transcript's beginning it began (missing: 0).
    """
    told = in_order(segments, offsets or {})
    return [
        Line(
            number,
            each.start_samples,
            each.end_samples,
            clean(each.speaker or "")[:SPEAKER_MAX_CHARS],
            clean(each.text),
        )
        for number, each in enumerate(told, start=1)
    ]


def lines_of_text(text: str) -> list[Line]:
    """Of a text of which no more is known: a line each of its lines, and of a long one its sentences together."""
    pieces = (piece for line in text.splitlines() for piece in _sentences_together(clean(line)))
    return [Line(number, None, None, "", piece) for number, piece in enumerate(pieces, start=1)]


def _sentences_together(line: str) -> Iterator[str]:
    kept: list[str] = []
    length = 0
    for word in line.split(" ") if line else ():
        kept.append(word)
        length += len(word) + 1
        if (length >= LINE_CHARS and word.endswith(SENTENCE_END)) or length >= 2 * LINE_CHARS:
            yield " ".join(kept)
            kept, length = [], 0
    if kept:
        yield " ".join(kept)
