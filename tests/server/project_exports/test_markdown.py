from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rich.markdown import Markdown

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.exports import clean
from server.project_exports.markdown import markdown
from server.project_exports.records import ConversationRecord
from tests.server.project_exports.conversations import RECORD, any_record, hostile_text

TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Everything that a document of ours is made of.
KINDS = {
    *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline"),
    *("table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close"),
    *("tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
}
KINDS_IN_A_LINE = {"text", "code_inline", "strong_open", "strong_close"}


def segment(text: str, start_s: float, *, speaker: str | None = None, track: str = "trk_a") -> Segment:
    start = int(start_s * SAMPLE_RATE_HZ)
    return Segment(
        segment_id=f"seg_{start}",
        track=track,
        text=text,
        start_samples=start,
        end_samples=start + SAMPLE_RATE_HZ,
        is_final=True,
        speaker=speaker,
    )


def test_the_document_exactly() -> None:
    said = [
        segment("Good morning.", 0, speaker="Anna"),
        segment("How are you?", 1, speaker="Anna"),
        segment("Fine, see x.org", 3665, speaker="Ben"),
        segment("A bird.", 3670),
    ]
    assert markdown(RECORD, said).decode() == (
        "# The week\n"
        "\n"
        "| | |\n"
        "|---|---|\n"
        "| Name | Anna Smith |\n"
        "| Mail | `anna.smith@example.org` |\n"
        "| Began | 2026-01-01 10:00:05 UTC |\n"
        "| Ended | 2026-01-01 10:30:05 UTC |\n"
        "| Length | 29:59 |\n"
        "| Words | 4200 |\n"
        "| Speakers | Anna, Ben |\n"
        "| Tags | kiosk, north |\n"
        "| Source | kiosk |\n"
        "| Language | en |\n"
        "| Status | completed |\n"
        "| Id | 5f0c1d2e-3a4b-4c6d-8e9f-0a1b2c3d4e5f |\n"
        "\n"
        "## Summary\n"
        "\n"
        "We planned the week.\n"
        "\n"
        "## Transcript\n"
        "\n"
        "00:00 **Anna:** Good morning. How are you?\n"
        "\n"
        "1:01:05 **Ben:** Fine, see `x.org`\n"
        "\n"
        "1:01:10 A bird.\n"
    )


def test_what_is_not_known_is_left_out() -> None:
    record = replace(
        RECORD, name="", email="\u202e", title=" ", summary="\n \n", tags=(), finished_at=None, speakers=()
    )
    document = markdown(record, []).decode()
    assert document.startswith("# Conversation\n\n| | |\n|---|---|\n| Began |")
    assert "Ended" not in document
    assert "Tags" not in document
    assert "Summary" not in document
    assert document.endswith("## Transcript\n\nNo words.\n")


def test_tracks_that_began_later_are_put_in_their_place() -> None:
    said = [segment("second", 0, track="trk_b"), segment("first", 1)]
    document = markdown(RECORD, said, track_offsets={"trk_b": 9 * SAMPLE_RATE_HZ}).decode()
    assert document.endswith("00:01 first\n\n00:09 second\n")


@given(any_record(), st.lists(st.tuples(hostile_text(), st.none() | hostile_text()), max_size=4))
def test_nothing_said_or_named_is_more_than_text(
    record: ConversationRecord, told: list[tuple[str, str | None]]
) -> None:
    said = [segment(text, 60.0 * at, speaker=speaker) for at, (text, speaker) in enumerate(told)]
    document = markdown(record, said)
    assert document == markdown(record, said)
    tokens = Markdown(document.decode()).parsed
    assert {token.type for token in tokens} <= KINDS
    lines = [token.children or [] for token in tokens if token.type == "inline"]
    assert {child.type for line in lines for child in line} <= KINDS_IN_A_LINE
    # Headings are ours: their number does not depend on what was said.
    summary = [line for line in record.summary.splitlines() if _shown(line)]
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2", *(["h2"] if summary else [])]
    shown = ["".join(child.content for child in line) for line in lines]
    spoken = [text for text, _ in told if clean(text)]
    for text, line in zip(spoken, shown[len(shown) - len(spoken) :], strict=True):
        assert line.endswith(_shown(text))


def _shown(text: str) -> str:
    return clean(TURNS.sub("", text))
