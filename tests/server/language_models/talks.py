"""Transcripts as lines, for tests."""

from __future__ import annotations

from hypothesis import strategies as st

from protocol.blocks import SAMPLE_RATE_HZ
from server.language_models.lines import Line

ROOF = (
    "The roof of the school leaks when it rains.",
    "We had soup for lunch.",
    "The school needs a new roof before winter.",
    "The council has money for the roof of the school.",
    "Nobody liked the soup.",
    "The council decides about the school roof in winter.",
)


def lines(*texts: str, each_s: float = 10.0, speaker: str = "Anna") -> list[Line]:
    length = round(each_s * SAMPLE_RATE_HZ)
    return [Line(at + 1, at * length, (at + 1) * length, speaker, text) for at, text in enumerate(texts)]


TALKS = st.lists(st.text(st.sampled_from("ab .今é"), min_size=1, max_size=200), max_size=12).map(
    lambda texts: lines(*(" ".join(text.split()) or "x" for text in texts))
)
