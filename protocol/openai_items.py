"""What a Realtime session tells of what is heard: items, in OpenAI's words.

Where the server finds the turns, each segment is an item, from its first interim on. Where the client says where they
end, an item is all that was said until its commit, and its words are told before that, too. What was told of an item
cannot be taken back there: so only that is told before its end on which two interims in a row agree, and ``completed``
has the text that holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ, seconds
from protocol.openai_audio import logprobs
from protocol.openai_languages import UNSPACED
from protocol.openai_realtime import Session, event, new_id
from protocol.words import Segment

Json = dict[str, Any]

ABOUT_ITEM = "conversation.item.input_audio_transcription"
COMMIT_MIN_SAMPLES = 100 * MS_SAMPLES


@dataclass
class _Item:
    """``before``: the text of the interim before; ``told``: so much of the text was told. ``previous``: the item that
    was committed before it."""

    id: str = field(default_factory=lambda: new_id("item"))
    start_samples: int = 0  # of a turn that the server found
    previous: str | None = None
    before: str = ""
    told: str = ""
    segments: list[Segment] = field(default_factory=list)


@dataclass
class _Asked:
    """Finals that are waited for: of a commit, which has an item where the client ends turns, or of a clear (None).

    ``has_turn``: where the server finds the turns, one that began before ended since.
    """

    at_samples: int
    is_commit: bool
    item: _Item | None = None
    has_turn: bool = False


class Items:
    """One session's items. Methods return the events to send, in order. ``session`` may be changed at any time."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._open: dict[str, _Item] = {}  # by segment id; one at a time, but for those of several voices
        self._waiting: list[Segment] = []  # finals that no commit has asked for yet
        self._next = _Item()  # what the next commit will be, where the client ends turns
        self._asked: deque[_Asked] = deque()  # bounded by how many the server lets ask at once
        self._last: str | None = None  # the newest item that was committed
        self._from_samples = 0  # what was said before is of no item: it was cleared
        self._committed_samples = 0

    def heard(self, segment: Segment) -> list[Json]:
        """An interim, or a final when it is told first: later versions of it are of no item."""
        asked = self._asked_for(segment.start_samples)
        if segment.start_samples < self._from_samples and (asked is None or not asked.is_commit):
            return []
        is_in_turn = self.session.turns is not None and (asked is None or asked.item is None)
        if is_in_turn or segment.segment_id in self._open:
            return list(self._heard_in_turn(segment))
        return list(self._heard_for_commit(segment)) if segment.text else []

    @property
    def has_uncommitted(self) -> bool:
        """Whether something was heard for a commit that did not come yet."""
        return bool(self._waiting or self._next.before or self._next.told)

    def is_commit_empty(self, at_samples: int) -> bool:
        return at_samples - self._committed_samples < COMMIT_MIN_SAMPLES

    def commit(self, at_samples: int) -> list[Json]:
        """All sound before ``at_samples`` is a turn. Its finals are to be asked for, and then ``finalized`` called."""
        self._committed_samples = at_samples
        asked = _Asked(at_samples, is_commit=True)
        self._asked.append(asked)
        if self.session.turns is not None:
            return []
        asked.item = item = self._next
        self._next = _Item()
        told = [*self._commit(item)]
        ready, self._waiting = self._waiting, []
        for segment in ready:
            told += self._add(item, segment)
        return told

    def clear(self, at_samples: int) -> list[Json]:
        """What was said before is of no item. Finals are to be asked for as for a commit, so that a turn ends here."""
        self._from_samples = self._committed_samples = at_samples
        self._open = {id_: item for id_, item in self._open.items() if self._asked_for(item.start_samples) is not None}
        self._waiting.clear()
        self._next = _Item()
        self._asked.append(_Asked(at_samples, is_commit=False))
        return [event("input_audio_buffer.cleared")]

    def finalized(self) -> list[Json]:
        """All finals are told that the oldest commit or clear asked for."""
        if not self._asked:
            return []
        asked = self._asked.popleft()
        if asked.item is not None:
            return list(self._complete(asked.item))
        if asked.is_commit and not asked.has_turn:  # there was nothing but silence
            item = _Item()
            return [*self._commit(item), *self._complete(item)]
        return []

    def _asked_for(self, start_samples: int) -> _Asked | None:
        return next((each for each in self._asked if start_samples < each.at_samples), None)

    def _heard_for_commit(self, segment: Segment) -> Iterator[Json]:
        asked = self._asked_for(segment.start_samples)
        item = asked.item if asked is not None else None
        if item is not None and segment.is_final:
            yield from self._add(item, segment)
        elif item is not None:
            yield from self._agree(item, joined([*item.segments, segment]), segment.language)
        elif segment.is_final:
            self._waiting.append(segment)
            yield from self._tell(self._next, joined(self._waiting))
        else:
            yield from self._agree(self._next, joined([*self._waiting, segment]), segment.language)

    def _heard_in_turn(self, segment: Segment) -> Iterator[Json]:
        item = self._open.get(segment.segment_id)
        if item is None:
            if not segment.text:
                return
            item = self._open[segment.segment_id] = _Item(start_samples=segment.start_samples)
            started_ms = segment.start_samples // MS_SAMPLES
            yield event("input_audio_buffer.speech_started", audio_start_ms=started_ms, item_id=item.id)
        is_over = segment.is_final or not segment.text  # an interim without text takes back what was shown
        if not is_over:
            yield from self._agree(item, segment.text, segment.language)
            return
        del self._open[segment.segment_id]
        ended_ms = segment.end_samples // MS_SAMPLES
        yield event("input_audio_buffer.speech_stopped", audio_end_ms=ended_ms, item_id=item.id)
        yield from self._commit(item)
        if segment.text:
            yield from self._add(item, segment)
        if (asked := self._asked_for(segment.start_samples)) is not None:
            asked.has_turn = True
        yield from self._complete(item)

    def _agree(self, item: _Item, text: str, language: str | None) -> Iterator[Json]:
        agreed = agreed_text(item.before, text, language)
        item.before = text
        yield from self._tell(item, agreed)

    def _tell(self, item: _Item, text: str) -> Iterator[Json]:
        """What is new of it, where it goes on from what was told."""
        if text.startswith(item.told) and len(text) > len(item.told):
            delta, item.told = text[len(item.told) :], text
            yield self._delta(item, delta)

    def _commit(self, item: _Item) -> Iterator[Json]:
        item.previous, self._last = self._last, item.id
        yield event("input_audio_buffer.committed", item_id=item.id, previous_item_id=item.previous)
        name = "created" if self.session.is_beta else "added"
        yield event(f"conversation.item.{name}", previous_item_id=item.previous, item=_view(item, "in_progress"))

    def _add(self, item: _Item, segment: Segment) -> Iterator[Json]:
        """The rest of a segment's text, and who said it."""
        item.segments.append(segment)
        yield from self._tell(item, joined(item.segments))
        if self.session.diarize:
            yield event(
                f"{ABOUT_ITEM}.segment",
                item_id=item.id,
                content_index=0,
                id=segment.segment_id,
                start=seconds(segment.start_samples),
                end=seconds(segment.end_samples),
                speaker=segment.speaker or "",
                text=segment.text,
            )

    def _complete(self, item: _Item) -> Iterator[Json]:
        if not self.session.is_beta:
            yield event("conversation.item.done", previous_item_id=item.previous, item=_view(item, "completed"))
        said = sum(segment.end_samples - segment.start_samples for segment in item.segments)
        told = {"item_id": item.id, "content_index": 0, "transcript": joined(item.segments)}
        if self.session.logprobs:
            told["logprobs"] = logprobs(word for segment in item.segments for word in segment.words)
        usage = {"type": "duration", "seconds": round(said / SAMPLE_RATE_HZ, 2)}
        yield event(f"{ABOUT_ITEM}.completed", **told, usage=usage)

    def _delta(self, item: _Item, delta: str) -> Json:
        return event(f"{ABOUT_ITEM}.delta", item_id=item.id, content_index=0, delta=delta)


def joined(segments: list[Segment]) -> str:
    spaced = not segments or (segments[0].language or "").partition("-")[0] not in UNSPACED
    return (" " if spaced else "").join(segment.text for segment in segments)


def agreed_text(before: str, now: str, language: str | None) -> str:
    """The beginning that both texts share, of whole words."""
    differs = (at for at, (one, other) in enumerate(zip(before, now, strict=False)) if one != other)
    shared = now[: next(differs, min(len(before), len(now)))]
    rests = (before[len(shared) :], now[len(shared) :])
    if (language or "").partition("-")[0] in UNSPACED or all(rest[:1] in ("", " ") for rest in rests):
        return shared
    return shared[: max(0, shared.rfind(" "))]


def _view(item: _Item, status: str) -> Json:
    content = {"type": "input_audio", "transcript": joined(item.segments) or None}
    return {
        "id": item.id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": "user",
        "content": [content],
    }
