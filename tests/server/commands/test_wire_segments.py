"""Segments that commands read are those that were told."""

from __future__ import annotations

import pytest

from protocol.wire.v1 import segment_data
from protocol.words import Segment, Word
from server.commands.wire_segments import segment_from


@pytest.mark.parametrize(("label", "name"), [("Speaker 2", "Ann"), ("Speaker 2", "Speaker 2"), (None, None)])
def test_who_said_it_is_read_as_it_was_told(label: str | None, name: str | None) -> None:
    told = Segment(
        segment_id="seg_1",
        track="trk_1",
        text="good morning",
        start_samples=8000,
        end_samples=24_000,
        is_final=True,
        revision=3,
        words=(Word(text="good", start_samples=8000, end_samples=16_000, confidence=0.5),),
        speaker_confidence=0.75,
        language="en",
        confidence=0.5,
        cut_from="seg_0",
        overlap=((8000, 12_000),),
    ).said_by(label, name)
    assert segment_from(segment_data(told, 1000.0)) == told
