"""What a session was told it heard, as the segments that readers see. Pure: at most one segment is open at a time."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.ids import new_segment_id
from protocol.words import Segment, Word

# Written without spaces between words.
_UNSPACED_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})


def join_words(words: Sequence[Word], language: str | None) -> str:
    """The words as one text. Words that bring their own leading spaces (Whisper) are put together as they are."""
    texts = [word.text for word in words]
    if any(text[:1].isspace() for text in texts[1:]) or (language or "").split("-")[0].lower() in _UNSPACED_LANGUAGES:
        return " ".join("".join(texts).split())
    return " ".join(" ".join(texts).split())


class SegmentBook:
    """Gives ids and revisions. The open segment keeps its id until its final, over any number of restarts."""

    def __init__(self, track: str, language: str | None) -> None:
        self._track = track
        self._language = None if language == "auto" else language
        self._open: Segment | None = None

    @property
    def open_segment(self) -> Segment | None:
        return self._open

    def heard(self, words: Sequence[Word], language: str | None, *, final: bool) -> Segment | None:
        """What to tell now, if anything: a version of the open segment, or of a new one."""
        if not words:
            # Mid-utterance an engine may lose its words for a moment: only a final takes back what was shown.
            return self.take_back() if final else None
        before = self._open
        spoken = language or self._language
        segment = Segment(
            segment_id=before.segment_id if before else new_segment_id(),
            track=self._track,
            text=join_words(words, spoken),
            start_samples=words[0].start_samples,
            end_samples=max(word.end_samples for word in words),
            is_final=final,
            revision=before.revision + 1 if before else 1,
            words=tuple(word.model_copy(update={"text": word.text.strip()}) for word in words),
            language=spoken,
            confidence=min(1.0, max(0.0, sum(word.confidence for word in words) / len(words))),
        )
        if before is not None and not final and _same(before, segment):
            return None
        self._open = None if final else segment
        return segment

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


def _same(one: Segment, other: Segment) -> bool:
    return (one.text, one.words, one.language) == (other.text, other.words, other.language)
