"""One conversation as a document that people read, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.exports import in_order, minutes_of, turns
from server.project_exports.inert import inert
from server.project_exports.records import ConversationRecord, moment


def markdown(
    record: ConversationRecord, segments: Iterable[Segment], *, track_offsets: Mapping[str, int] | None = None
) -> bytes:
    """The document, in UTF-8: a heading, what is known, the summary if there is one, and who said what when.

    Segments as for ``server.exports.export``: final ones with text are told, in the order they were begun, and
    ``track_offsets`` says how many samples after the beginning each track began. Nothing that was said, and no name,
    becomes markup, HTML or a link. The same input makes the same bytes.
    """
    title = inert(record.title) or inert(record.name) or "Conversation"
    blocks = [f"# {title}", _table(record)]
    summary = [line for line in map(inert, record.summary.splitlines()) if line]
    if summary:
        blocks += ["## Summary", *summary]
    blocks += ["## Transcript", *_said(in_order(segments, track_offsets or {}))]
    return "\n\n".join(blocks).encode() + b"\n"


def _table(record: ConversationRecord) -> str:
    facts = [(name, inert(value)) for name, value in _facts(record)]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts if value)])


def _facts(record: ConversationRecord) -> Iterator[tuple[str, str]]:
    yield "Name", record.name
    yield "Mail", record.email
    yield "Began", _told(record.began_at)
    if record.finished_at is not None:
        yield "Ended", _told(record.finished_at)
    yield "Length", minutes_of(round(record.duration_s * SAMPLE_RATE_HZ))
    yield "Words", str(record.words)
    yield "Speakers", ", ".join(record.speakers)
    yield "Tags", ", ".join(record.tags)
    yield "Source", record.source
    yield "Language", record.language
    yield "Status", record.status
    yield "Id", record.id


def _told(epoch_s: float) -> str:
    return f"{moment(epoch_s):%Y-%m-%d %H:%M:%S} UTC"


def _said(told: Iterable[Segment]) -> Iterator[str]:
    """A paragraph a turn. Each begins with its time, so that no word of a stranger begins a line."""
    spoken = False
    for turn in turns(told):
        spoken = True
        who = inert(turn.speaker)
        yield f"{minutes_of(turn.start_samples)} " + (f"**{who}:** " if who else "") + inert(turn.text)
    if not spoken:
        yield "No words."
