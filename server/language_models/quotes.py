"""The segments that an answer cites by their times, such as [00:01:02]. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from protocol.blocks import SAMPLE_RATE_HZ
from server.language_models.lines import Line

QUOTES_MAX = 100

# Also [01:02], and several, or from and to, in one pair of brackets.
_CITED = re.compile(r"\[([^\[\]]{1,200})\]")
_TIME = re.compile(r"(?<![\d:])(?:(\d{1,4}):)?(\d{1,2}):(\d{2})(?![\d:])")


def times_in(answer: str) -> Iterator[int]:
    """Whole seconds, in the order they are cited."""
    for cited in _CITED.finditer(answer):
        for hours, minutes, seconds in _TIME.findall(cited[1]):
            yield int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)


def quoted(answer: str, lines: Sequence[Line]) -> list[Line]:
    """Those that began in a second that is cited or, where none did, the one that went on then; each once, in the order
    of the citations. A time at which nothing was said is a model's invention, and quotes nothing."""
    timed = [line for line in lines if line.start_samples is not None]
    timed.sort(key=lambda line: line.start_samples or 0)
    begins = [(line.start_samples or 0) // SAMPLE_RATE_HZ for line in timed]
    found: dict[int, Line] = {}
    for second in times_in(answer):
        at = bisect_right(begins, second) - 1
        while at >= 0:
            line = timed[at]
            if begins[at] == second or (line.end_samples or 0) > second * SAMPLE_RATE_HZ:
                found.setdefault(line.number, line)
            if begins[at] != second or at == 0 or begins[at - 1] != second:
                break
            at -= 1
        if len(found) >= QUOTES_MAX:
            break
    return list(found.values())
