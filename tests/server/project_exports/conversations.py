"""Records for the tests of exports, and the texts that strangers think of."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from protocol.wire.v1 import STATUS_OF_STATE
from server.project_exports.records import ConversationRecord

RECORD = ConversationRecord(
    id="5f0c1d2e-3a4b-4c6d-8e9f-0a1b2c3d4e5f",
    name="Anna Smith",
    email="anna.smith@example.org",
    tags=("kiosk", "north"),
    source="kiosk",
    created_at=1_767_261_600.0,
    started_at=1_767_261_605.5,
    finished_at=1_767_263_405.0,
    status="completed",
    duration_s=1799.5,
    words=4200,
    speakers=("Anna", "Ben"),
    title="The week",
    summary="We planned the week.",
    language="en",
)

# What means something in Markdown, HTML, CSV, spreadsheets or paths.
PARTS = (
    *"\\`*_{}[]()<>#+-.!|~$=^:%&@/'\";,\t\r\n\0 19aé会",
    *("\ud800", "\u202e", "\u2028", "\ufeff", "\uffff", "\u200b", "\u00ad", "\U0001f600", "＝", "＠"),
    *("http://x.de/", "https:", "//", "www.", "www.x.de", "a@b.co", "@", "mailto:", ".com", "x.org", "ftp://"),
    *("<script>", "</b>", "<!--", "&lt;", "&#64;", "![a](b)", "[a]: /b", "```", "---", "***", "1. ", "- ", "    "),
    *(
        "{{",
        "{%",
        "%%",
        "$$",
        "==",
        "~~",
        "[[",
        "[^1]",
        "_x0041_",
        "<r>",
        "</r>",
        "=1+1",
        "+1",
        "-1",
        ";",
        "CON",
        "..",
        "word",
    ),
)


def hostile_text() -> st.SearchStrategy[str]:
    return st.text() | st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


def any_record() -> st.SearchStrategy[ConversationRecord]:
    text = hostile_text()
    times = st.floats(-1e18, 1e18)
    return st.builds(
        ConversationRecord,
        id=text,
        name=text,
        email=text,
        tags=st.lists(text, max_size=3).map(tuple),
        source=text,
        created_at=times,
        started_at=st.none() | times,
        finished_at=st.none() | times,
        status=st.sampled_from(sorted(set(STATUS_OF_STATE.values()))),
        duration_s=st.floats(0, 1e9),
        words=st.integers(0, 10**12),
        speakers=st.lists(text, max_size=3).map(tuple),
        title=text,
        summary=text,
        language=text,
    )


def many(count: int) -> Iterator[ConversationRecord]:
    """One after another, none of which keeps another; each of some 2 KB, in few cells, which is quick to write."""
    for number in range(count):
        yield ConversationRecord(
            id=f"{number:08x}-3a4b-4c6d-8e9f-0a1b2c3d4e5f",
            name="",
            email="",
            tags=("kiosk", f"day {number % 30}"),
            source="",
            created_at=1_767_261_600.0 + number,
            started_at=1_767_261_601.0 + number,
            finished_at=None,
            status="completed",
            duration_s=99.0,
            words=250,
            speakers=(),
            title=f"Conversation {number}",
            summary=f"{number} " + "They talked about the weather. " * 33,
            language="",
        )
