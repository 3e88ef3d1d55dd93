"""What a session was told it heard, as the segments that readers see. Pure: at most one segment is open at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr.wire import Spoke
from protocol.ids import new_segment_id
from protocol.words import Segment, Word

# Written without spaces between words.
_UNSPACED_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})


def join_words(words: Sequence[Word], language: str | None, *, glued: bool | None = None) -> str:
    """The words as one text. Words that bring their own leading spaces (Whisper) are put together as they are.

    ``glued``: whether these do, which a few of many do not show.
    """
    texts = [word.text for word in words]
    if glued is None:
        glued = _bring_spaces(words) or _is_unspaced(language)
    return " ".join("".join(texts).split()) if glued else " ".join(" ".join(texts).split())


def _bring_spaces(words: Sequence[Word]) -> bool:
    return any(word.text[:1].isspace() for word in words[1:])


def _is_unspaced(language: str | None) -> bool:
    return (language or "").split("-")[0].lower() in _UNSPACED_LANGUAGES


@dataclass(slots=True)
class _Part:
    """Words in a row of one voice, and of each word who spoke it (None: nobody knows)."""

    words: list[Word]
    spoke: list[Spoke | None]

    @property
    def is_blank(self) -> bool:
        return not any(word.text.strip() for word in self.words)


def _parts(words: Sequence[Word], spoke: Sequence[Spoke], language: str | None) -> list[_Part]:
    """The words by who spoke; all as one where that is not said of each of them.

    What is written in one goes to who began it, so that each part has a text, and all of them that of the whole.
    """
    speakers = [one for one in spoke for _ in range(one.words)]
    if len(speakers) != len(words):
        return [_Part(list(words), [None])]
    only_at_spaces = _bring_spaces(words) and not _is_unspaced(language)
    parts: list[_Part] = []
    for word, one in zip(words, speakers, strict=True):
        before = parts[-1].spoke[-1] if parts else None
        may_begin = bool(word.text.strip()) and (word.text[:1].isspace() or not only_at_spaces)
        if parts and parts[-1].is_blank:
            parts[-1].spoke = [one] * len(parts[-1].words)
        elif before is None or (may_begin and one.voice != before.voice):
            parts.append(_Part([], []))
        else:
            one = before if not may_begin else one
        parts[-1].words.append(word)
        parts[-1].spoke.append(one)
    return parts


class SegmentBook:
    """Gives ids and revisions. The open segment keeps its id until its final, over any number of restarts."""

    def __init__(self, track: str, language: str | None) -> None:
        self._track = track
        self._language = None if language == "auto" else language
        self._open: Segment | None = None

    @property
    def open_segment(self) -> Segment | None:
        return self._open

    def heard(
        self,
        words: Sequence[Word],
        language: str | None,
        *,
        final: bool,
        spoke: Sequence[Spoke] = (),
        overlaps: Sequence[tuple[int, int]] = (),
    ) -> list[Segment]:
        """What to tell now, if anything: a version of the open segment, or of a new one.

        A final that several voices ``spoke`` is as many segments, of which the first has the id of the open one.
        """
        if not words:
            # Mid-utterance an engine may lose its words for a moment: only a final takes back what was shown.
            taken_back = self.take_back() if final else None
            return [taken_back] if taken_back is not None else []
        before = self._open
        spoken = language or self._language
        parts = _parts(words, spoke, spoken) if final else [_Part(list(words), [spoke[0] if spoke else None])]
        glued = _bring_spaces(words) or _is_unspaced(spoken)
        first = self._segment(parts[0], spoken, glued=glued, final=final, before=before)
        if before is not None and not final and _same(before, first):
            return []
        self._open = None if final else first
        told = [first, *(self._segment(part, spoken, glued=glued, final=final) for part in parts[1:])]
        return [segment.overlapped(overlaps) for segment in told] if overlaps else told

    def _segment(
        self, part: _Part, language: str | None, *, glued: bool, final: bool, before: Segment | None = None
    ) -> Segment:
        """A version of the segment ``before``, whose voice it keeps while no other is known, or a new one."""
        words = part.words
        segment = Segment(
            segment_id=before.segment_id if before else new_segment_id(),
            track=self._track,
            text=join_words(words, language, glued=glued),
            start_samples=words[0].start_samples,
            end_samples=max(word.end_samples for word in words),
            is_final=final,
            revision=before.revision + 1 if before else 1,
            words=tuple(word.model_copy(update={"text": word.text.strip()}) for word in words),
            language=language,
            confidence=min(1.0, max(0.0, sum(word.confidence for word in words) / len(words))),
        )
        if before is not None and part.spoke[0] is None:
            known = {"voice": before.voice, "speaker_confidence": before.speaker_confidence, "speaker": before.speaker}
            return segment.model_copy(update=known)
        return segment.model_copy(update=_voice(part.spoke))

    def settled(self, samples: int) -> Segment | None:
        """All before ``samples`` is told: an open segment that ends before it turned out to be nothing."""
        if self._open is not None and self._open.end_samples <= samples:
            return self.take_back()
        return None

    def take_back(self) -> Segment | None:
        """An interim without text, if a segment was open."""
        before, self._open = self._open, None
        if before is None:
            return None
        return before.model_copy(update={"text": "", "words": (), "revision": before.revision + 1})


def _voice(spoke: Sequence[Spoke | None]) -> dict[str, object]:
    """Of words in a row of one voice. An enrolled one is called by its name."""
    known = [one for one in spoke if one is not None]
    if not known:
        return {}
    sure = sum(one.confidence for one in known) / len(known)
    told = {"voice": known[0].voice, "speaker_confidence": min(1.0, max(0.0, sure)), "speaker": known[0].name}
    return {**told, "of_one": all(one.of_one for one in known)}


def _same(one: Segment, other: Segment) -> bool:
    return (one.text, one.words, one.language, one.voice) == (other.text, other.words, other.language, other.voice)
