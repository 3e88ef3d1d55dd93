"""Segments as documents that people and players read: plain text, JSON, SRT and WebVTT.

Pure: segments in, text out. Nothing a speaker said or is called can end a cue, start a tag or hide a line: whatever
is hostile in a format is escaped or, where the format has no escapes (SRT), replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.wire.v1 import overlap_data, rounded_confidence
from protocol.words import Segment, Word
from server.export_formats import ExportFormat

__all__ = [
    "MEDIA_TYPES",
    "Cue",
    "ExportFormat",
    "Turn",
    "as_json",
    "as_speeches",
    "as_srt",
    "as_txt",
    "as_vtt",
    "clean",
    "cues",
    "export",
    "minutes_of",
    "printable",
    "turns",
]

# Two lines of 42 characters, at most about 7 s on the screen: what subtitle guides of broadcasters agree on.
LINE_MAX_CHARS = 42
CUE_MAX_CHARS = 2 * LINE_MAX_CHARS
CUE_MAX_SAMPLES = 7 * SAMPLE_RATE_HZ
# Shorter cues cannot be read; they are lengthened into the silence that follows.
CUE_MIN_SAMPLES = SAMPLE_RATE_HZ
# A pause that a reader expects to see: the next words begin a new cue.
CUE_PAUSE_SAMPLES = SAMPLE_RATE_HZ * 8 // 10
# A sentence that ends after so many characters ends its cue.
SENTENCE_MIN_CHARS = 30
# In plain text a longer silence of one speaker begins a new paragraph.
PARAGRAPH_PAUSE_SAMPLES = 3 * SAMPLE_RATE_HZ

# C0 and C1 controls, line and paragraph separators, lone surrogates: none belongs in a line of text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SPACES = re.compile(r"\s+")
SENTENCE_END = (".", "!", "?", "…", "。", "！", "？")


MEDIA_TYPES: dict[ExportFormat, str] = {
    ExportFormat.TXT: "text/plain; charset=utf-8",
    ExportFormat.TIMESTAMPED: "text/plain; charset=utf-8",
    ExportFormat.JSON: "application/json",
    ExportFormat.SRT: "application/x-subrip; charset=utf-8",
    ExportFormat.VTT: "text/vtt; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: what is shown, from when until when, and who says it (empty: not known)."""

    start_samples: int
    end_samples: int
    text: str
    speaker: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said without a long silence, on one line; ``speaker`` is empty where it is not known."""

    start_samples: int
    speaker: str
    text: str


def export(
    segments: Iterable[Segment],
    form: ExportFormat,
    *,
    name: str = "",
    duration_samples: int = 0,
    track_offsets: Mapping[str, int] | None = None,
    speakers: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The document; encode it as UTF-8. ``duration_samples``: how much sound there is, as everything else tells it.

    Only final segments with text are told, in the order they were begun. ``track_offsets``: for each track, how many
    samples after the transcript's beginning it began (missing: 0), so that several tracks make one conversation.
    ``speakers``: how much each spoke, for the document that has room for it.
    """
    told = in_order(segments, track_offsets or {})
    match form:
        case ExportFormat.TXT:
            return as_txt(told)
        case ExportFormat.TIMESTAMPED:
            return as_txt(told, timestamped=True)
        case ExportFormat.JSON:
            return as_json(told, name=name, duration_samples=duration_samples, speakers=speakers)
        case ExportFormat.SRT:
            return as_srt(told)
        case ExportFormat.VTT:
            return as_vtt(told)


def as_txt(segments: Sequence[Segment], *, timestamped: bool = False) -> str:
    """One line a turn: ``Name: what was said``, without the name where it is not known.

    ``timestamped``: ``[MM:SS]``, or ``[H:MM:SS]``, of its beginning before it.
    """
    lines = []
    for turn in turns(segments):
        time = f"[{minutes_of(turn.start_samples)}] " if timestamped else ""
        lines.append(time + (f"{turn.speaker}: {turn.text}" if turn.speaker else turn.text) + "\n")
    return "".join(lines)


def turns(segments: Iterable[Segment]) -> Iterator[Turn]:
    """Segments, in order, as the turns that readers see; a longer silence of one speaker begins a new one."""
    said: list[str] = []
    speaker = ""
    start_samples = end_samples = 0
    for segment in segments:
        who = clean(segment.speaker or "")
        if said and (who != speaker or segment.start_samples - end_samples >= PARAGRAPH_PAUSE_SAMPLES):
            yield Turn(start_samples, speaker, " ".join(said))
            said = []
        if not said:
            start_samples, speaker = segment.start_samples, who
        said.append(clean(segment.text))
        end_samples = segment.end_samples
    if said:
        yield Turn(start_samples, speaker, " ".join(said))


def as_json(
    segments: Sequence[Segment],
    *,
    name: str = "",
    duration_samples: int = 0,
    speakers: Sequence[Mapping[str, Any]] = (),
) -> str:
    """``{"name", "duration", "text", "speakers": [...], "segments": [...]}``, times in seconds; ``duration`` is that of
    the sound."""
    document = {
        "name": printable(name),
        "duration": _seconds(duration_samples),
        "text": " ".join(clean(segment.text) for segment in segments),
        "speakers": list(speakers),
        "segments": [_segment_json(segment) for segment in segments],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def as_speeches(
    segments: Iterable[Segment], track_offsets: Mapping[str, int] | None = None
) -> Iterator[dict[str, Any]]:
    """``{speaker, speaker_name, text, start, end}`` of each final segment: the label of the voice and what people call
    it, and seconds since the transcript began."""
    for segment in in_order(segments, track_offsets or {}):
        yield {
            "speaker": clean(segment.label or ""),
            "speaker_name": clean(segment.speaker or ""),
            "text": clean(segment.text),
            "start": _seconds(segment.start_samples),
            "end": _seconds(segment.end_samples),
        }


def as_srt(segments: Sequence[Segment]) -> str:
    """SubRip. It has no escapes, and players read ``<`` as a tag: what could be one is replaced by its look-alike."""
    blocks = []
    for number, cue in enumerate(cues(segments), start=1):
        said = f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text
        said = said.replace("-->", "→").replace("<", "‹").replace(">", "›").replace("{\\", "{ \\")
        times = f"{_clock(cue.start_samples, ',')} --> {_clock(cue.end_samples, ',')}"
        blocks.append(f"{number}\n{times}\n{_folded(said)}\n")
    return "\n".join(blocks)


def as_vtt(segments: Sequence[Segment]) -> str:
    """WebVTT (W3C, sections 4.1 and 4.2.2): ``&``, ``<`` and ``>`` escaped, so ``-->`` cannot occur in a payload."""
    blocks = ["WEBVTT\n"]
    for number, cue in enumerate(cues(segments), start=1):
        times = f"{_clock(cue.start_samples, '.')} --> {_clock(cue.end_samples, '.')}"
        payload = _folded(cue.text, escape=_vtt_escaped)
        if cue.speaker:
            payload = f"<v {_vtt_escaped(cue.speaker)}>{payload}</v>"
        blocks.append(f"{number}\n{times}\n{payload}\n")
    return "\n".join(blocks)


def cues(segments: Sequence[Segment]) -> list[Cue]:
    """Segments cut at word times into what can be read at once; short ones lengthened, none longer than its room."""
    cut = [cue for segment in segments for cue in _cues_of(segment)]
    cut.sort(key=lambda cue: cue.start_samples)
    shown: list[Cue] = []
    for at, cue in enumerate(cut):
        end = max(cue.end_samples, cue.start_samples + CUE_MIN_SAMPLES)
        following = next((later for later in cut[at + 1 :] if later.start_samples > cue.start_samples), None)
        # Lengthened only up to the next cue; people who really talk at once may overlap.
        if following is not None and end > following.start_samples:
            end = max(cue.end_samples, following.start_samples)
        shown.append(Cue(cue.start_samples, max(end, cue.start_samples + 1), cue.text, cue.speaker))
    return shown


def clean(text: str) -> str:
    """``text`` on one line, without control characters."""
    return _SPACES.sub(" ", printable(text)).strip()


def printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


def in_order(segments: Iterable[Segment], offsets: Mapping[str, int]) -> list[Segment]:
    told = [_moved(s, offsets.get(s.track, 0)) for s in segments if s.is_final and clean(s.text)]
    return sorted(told, key=lambda segment: (segment.start_samples, segment.end_samples, segment.segment_id))


def _moved(segment: Segment, by_samples: int) -> Segment:
    if not by_samples:
        return segment
    words = tuple(
        word.model_copy(
            update={"start_samples": word.start_samples + by_samples, "end_samples": word.end_samples + by_samples}
        )
        for word in segment.words
    )
    overlap = tuple((start + by_samples, end + by_samples) for start, end in segment.overlap)
    moved = {"start_samples": segment.start_samples + by_samples, "end_samples": segment.end_samples + by_samples}
    return segment.model_copy(update={**moved, "words": words, "overlap": overlap})


def _cues_of(segment: Segment) -> list[Cue]:
    speaker = clean(segment.speaker or "")
    pieces = timed_pieces(segment)
    found: list[Cue] = []
    begin = 0
    for at in range(1, len(pieces) + 1):
        if at == len(pieces) or _breaks(pieces[begin:at], pieces[at]):
            run = pieces[begin:at]
            text = clean("".join(piece.text for piece in run))
            if text:
                found.append(Cue(run[0].start_samples, run[-1].end_samples, text, speaker))
            begin = at
    return found


def _breaks(run: Sequence[Word], following: Word) -> bool:
    """Whether a cue that holds ``run`` ends before ``following``."""
    length = sum(len(piece.text) for piece in run)
    return (
        length + len(following.text.rstrip()) > CUE_MAX_CHARS
        or following.end_samples - run[0].start_samples > CUE_MAX_SAMPLES
        or following.start_samples - run[-1].end_samples >= CUE_PAUSE_SAMPLES
        or (length >= SENTENCE_MIN_CHARS and run[-1].text.rstrip().endswith(SENTENCE_END))
    )


def timed_pieces(segment: Segment) -> list[Word]:
    """The segment's text in pieces with times; joined they give the text, spaces and all (or none, as in Japanese)."""
    text = clean(segment.text)
    starts: list[int] = []
    at = 0
    for word in segment.words:
        found = text.find(clean(word.text), at)
        if found < 0:
            break
        starts.append(found)
        at = found + len(clean(word.text))
    if not segment.words or len(starts) < len(segment.words):
        return _evenly(text, segment)
    starts[0] = 0
    ends = [*starts[1:], len(text)]
    return [
        Word(
            text=text[start:end],
            start_samples=max(word.start_samples, 0),
            end_samples=max(word.end_samples, word.start_samples),
        )
        for word, start, end in zip(segment.words, starts, ends, strict=True)
    ]


def _evenly(text: str, segment: Segment) -> list[Word]:
    """Without usable word times: pieces as long in time as in letters."""
    pieces = re.findall(r"\S+\s*", text)
    # Text without spaces still has to be cut somewhere.
    pieces = [piece[i : i + LINE_MAX_CHARS] for piece in pieces for i in range(0, len(piece), LINE_MAX_CHARS)]
    length = max(len(text), 1)
    span = segment.end_samples - segment.start_samples
    words: list[Word] = []
    at = 0
    for piece in pieces:
        start = segment.start_samples + span * at // length
        at += len(piece)
        words.append(
            Word(text=piece, start_samples=start, end_samples=segment.start_samples + span * min(at, length) // length)
        )
    return words


def _folded(text: str, escape: Any = str) -> str:
    """On two lines when it is too long for one, at the space nearest to the middle."""
    if len(text) > LINE_MAX_CHARS:
        spaces = [at for at, char in enumerate(text) if char == " "]
        if spaces:
            at = min(spaces, key=lambda space: abs(space - len(text) // 2))
            return f"{escape(text[:at])}\n{escape(text[at + 1 :])}"
    return str(escape(text))


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _segment_json(segment: Segment) -> dict[str, Any]:
    return {
        "segment_id": segment.segment_id,
        "start": _seconds(segment.start_samples),
        "end": _seconds(segment.end_samples),
        "speaker": clean(segment.speaker or ""),
        "speaker_label": clean(segment.label or ""),
        "speaker_confidence": rounded_confidence(segment.speaker_confidence),
        "text": clean(segment.text),
        "confidence": round(segment.confidence, 3),
        "language": segment.language,
        "track": segment.track,
        "revision": segment.revision,
        "overlap": overlap_data(segment),
        "words": [
            {
                "text": printable(word.text),
                "start": _seconds(word.start_samples),
                "end": _seconds(word.end_samples),
                "confidence": round(word.confidence, 3),
            }
            for word in segment.words
        ],
    }


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 3)


def minutes_of(samples: int) -> str:
    """``MM:SS``, from an hour on ``H:MM:SS``."""
    seconds = samples // SAMPLE_RATE_HZ
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes:02}:{seconds % 60:02}"


def _clock(samples: int, decimal: str) -> str:
    """``HH:MM:SS`` and milliseconds after ``decimal``."""
    ms = samples * 1000 // SAMPLE_RATE_HZ
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{decimal}{ms % 1000:03}"
