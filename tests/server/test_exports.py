from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.words import Segment, Word
from server.exports import CUE_MAX_CHARS, CUE_MAX_SAMPLES, ExportFormat, cues, export

HOSTILE = 'a --> b\n\n1\n00:00:00.000 --> 00:00:09.000\n<script>alert(1)</script> & "x" \u2028 \ud800 {\\an8}'
VTT_TIMES = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}$")


def segment(
    text: str,
    start_s: float = 0.0,
    end_s: float = 2.0,
    *,
    speaker: str | None = None,
    times: bool = True,
    **more: object,
) -> Segment:
    start, end = int(start_s * 16_000), int(end_s * 16_000)
    parts = text.split()
    step = (end - start) // max(len(parts), 1)
    words = tuple(
        Word(text=part, start_samples=start + i * step, end_samples=start + (i + 1) * step)
        for i, part in enumerate(parts)
    )
    fields = {"segment_id": f"seg_{start}", "track": "trk_a", "is_final": True, **more}
    return Segment(
        text=text, start_samples=start, end_samples=end, speaker=speaker, words=words if times else (), **fields
    )


def test_plain_text_has_one_line_a_turn() -> None:
    said = [
        segment("good morning", 0, 1, speaker="Anna"),
        segment("how are you", 1.5, 2.5, speaker="Anna"),
        segment("fine", 3, 4, speaker="Ben"),
        segment("and then", 20, 21, speaker="Ben"),
    ]
    assert export(said, ExportFormat.TXT) == "Anna: good morning how are you\nBen: fine\nBen: and then\n"


def test_without_a_speaker_there_is_only_the_text() -> None:
    assert export([segment("go forward ten meters")], ExportFormat.TXT) == "go forward ten meters\n"


def test_interims_and_empty_segments_are_not_told() -> None:
    said = [segment("maybe", is_final=False), segment("   ")]
    assert export(said, ExportFormat.TXT) == ""
    assert export(said, ExportFormat.VTT) == "WEBVTT\n"
    assert export(said, ExportFormat.SRT) == ""
    assert json.loads(export(said, ExportFormat.JSON))["segments"] == []


def test_srt_exactly() -> None:
    said = [segment("hello world", 0, 1.5, speaker="Anna"), segment("bye", 3661.25, 3662.5)]
    assert export(said, ExportFormat.SRT) == (
        "1\n00:00:00,000 --> 00:00:01,500\nAnna: hello world\n\n2\n01:01:01,250 --> 01:01:02,500\nbye\n"
    )


def test_vtt_exactly() -> None:
    said = [segment("hello & <world>", 0, 1.5, speaker="Anna <b>")]
    assert export(said, ExportFormat.VTT) == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.500\n<v Anna &lt;b&gt;>hello &amp; &lt;world&gt;</v>\n"
    )


def test_json_has_words_with_times_in_seconds() -> None:
    said = [segment("hello world", 1, 2, speaker="Anna")]
    document = json.loads(export(said, ExportFormat.JSON, name="Talk", duration_samples=5 * 16_000 + 16))
    assert document["name"] == "Talk"
    assert document["duration"] == 5.001  # of the sound, not of what was said in it
    assert document["text"] == "hello world"
    assert document["speakers"] == []
    assert document["segments"][0]["speaker_label"] == "Anna"
    assert document["segments"][0]["speaker_confidence"] is None
    assert document["segments"][0]["words"][1] == {"text": "world", "start": 1.5, "end": 2.0, "confidence": 1.0}


def test_tracks_that_began_later_are_put_in_their_place() -> None:
    both = segment("second", 0, 1, track="trk_b").model_copy(update={"overlap": ((8000, 12_000),)})
    said = [both, segment("first", 1, 2)]
    assert export(said, ExportFormat.TXT, track_offsets={"trk_b": 5 * 16_000}) == "first\nsecond\n"
    document = json.loads(export(said, ExportFormat.JSON, track_offsets={"trk_b": 5 * 16_000}))
    assert [s["start"] for s in document["segments"]] == [1.0, 5.0]
    assert document["segments"][1]["words"][0]["start"] == 5.0
    assert [s["overlap"] for s in document["segments"]] == [[], [[5.5, 5.75]]]


def test_a_long_segment_becomes_cues_that_can_be_read() -> None:
    text = " ".join(f"word{i}" for i in range(60)) + "."
    found = cues([segment(text, 0, 25)])
    assert len(found) > 4
    assert all(len(cue.text) <= CUE_MAX_CHARS for cue in found)
    assert all(cue.end_samples - cue.start_samples <= CUE_MAX_SAMPLES for cue in found)
    assert " ".join(cue.text for cue in found) == text


def test_a_pause_and_a_sentence_end_a_cue() -> None:
    words = (
        Word(text="one", start_samples=0, end_samples=8_000),
        Word(text="two", start_samples=40_000, end_samples=48_000),
    )
    said = segment("one two", 0, 3).model_copy(update={"words": words})
    assert [cue.text for cue in cues([said])] == ["one", "two"]
    sentences = segment("This is the first sentence of all. And the second", 0, 4)
    assert [cue.text for cue in cues([sentences])] == ["This is the first sentence of all.", "And the second"]


def test_a_short_cue_is_lengthened_but_not_over_the_next() -> None:
    found = cues([segment("yes", 0, 0.2), segment("no", 0.5, 0.7)])
    assert [(cue.start_samples, cue.end_samples) for cue in found] == [(0, 8_000), (8_000, 24_000)]


def test_text_without_spaces_keeps_none() -> None:
    text = "今日は良い天気です"
    words = tuple(
        Word(text=part, start_samples=i * 8000, end_samples=(i + 1) * 8000)
        for i, part in enumerate(("今日", "は", "良い", "天気", "です"))
    )
    said = segment(text, 0, 2.5).model_copy(update={"words": words})
    assert [cue.text for cue in cues([said])] == [text]


@pytest.mark.parametrize("times", [True, False])
def test_nothing_said_can_end_a_cue_or_start_a_tag(times: bool) -> None:
    said = [segment(HOSTILE, 0, 5, speaker=HOSTILE, times=times), segment("after", 6, 7)]
    vtt = export(said, ExportFormat.VTT)
    assert "<script" not in vtt
    assert all("-->" not in line or VTT_TIMES.match(line) for line in vtt.splitlines())
    srt = export(said, ExportFormat.SRT)
    assert "<" not in srt
    assert "{\\" not in srt
    blocks = srt.split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == [str(n + 1) for n in range(len(blocks))]
    for form in ExportFormat:
        export(said, form).encode()


@given(
    st.lists(
        st.tuples(st.text(max_size=200), st.text(max_size=20), st.floats(0, 50), st.floats(0, 30), st.booleans()),
        max_size=6,
    )
)
def test_any_text_makes_well_formed_subtitles(parts: list[tuple[str, str, float, float, bool]]) -> None:
    said = [segment(t, s, s + d, speaker=who, times=times) for t, who, s, d, times in parts]
    vtt = export(said, ExportFormat.VTT)
    blocks = vtt.rstrip("\n").split("\n\n")
    assert blocks[0] == "WEBVTT"
    for number, block in enumerate(blocks[1:], start=1):
        head, times, *payload = block.split("\n")
        assert head == str(number)
        assert VTT_TIMES.match(times)
        assert 1 <= len(payload) <= 2
    for cue in cues(said):
        assert cue.end_samples > cue.start_samples
    for form in ExportFormat:
        export(said, form).encode()
