"""What the loop tells of the words of an utterance: so far, and at its end; and whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pydantic import BaseModel

from asr import wire
from asr.guards import inside_voiced
from asr.listening import ListeningSession
from asr.utterances import Utterance
from asr.voices_lane import VoicesLane
from protocol.errors import EngineFailed
from protocol.words import Hypothesis, Word


class Saying:
    """``hits``: how many words were left out because nobody spoke there."""

    def __init__(self, tell: Callable[[BaseModel], None], voices: VoicesLane) -> None:
        self._tell = tell
        self._voices = voices
        self.hits: Counter[str] = Counter()

    def final(self, session: ListeningSession, utterance: Utterance, outcome: Hypothesis | EngineFailed) -> None:
        """The final of an utterance; without words when it is given up."""
        bounds = (utterance.start_samples, utterance.end_samples)
        if isinstance(outcome, EngineFailed):
            self._give_up(session, bounds, outcome.message)
            outcome = Hypothesis(committed=())
        words = self._inside_voiced(outcome, utterance.voiced)
        if words and outcome.language is not None:
            session.options = session.options.model_copy(update={"heard_language": outcome.language})
        spoke, overlaps = self._voices.said(session, utterance, words, _tags_of(words, outcome))
        self._heard(session, words, bounds, outcome.language, spoke, overlaps, final=True)

    def so_far(self, session: ListeningSession, hypothesis: Hypothesis) -> None:
        start = session.utterances.open_samples
        assert start is not None
        words = self._inside_voiced(hypothesis, session.utterances.voiced_spans())
        if words or session.told:  # an interim without words takes back what was told
            session.told = bool(words)
            spoke = self._voices.so_far(session, words)
            self._heard(session, words, (start, session.stream_samples), hypothesis.language, spoke, (), final=False)

    def _give_up(self, session: ListeningSession, bounds: tuple[int, int], reason: str) -> None:
        self._tell(
            wire.GaveUp(
                session_id=session.session_id,
                generation=session.generation,
                start_samples=bounds[0],
                end_samples=bounds[1],
                message=reason,
            )
        )

    def _inside_voiced(self, hypothesis: Hypothesis, spans: tuple[tuple[int, int], ...]) -> tuple[Word, ...]:
        words = inside_voiced(hypothesis.words, spans)
        self.hits["outside_voice"] += len(hypothesis.words) - len(words)
        return words

    def _heard(
        self,
        session: ListeningSession,
        words: tuple[Word, ...],
        bounds: tuple[int, int],
        language: str | None,
        spoke: tuple[wire.Spoke, ...],
        overlaps: tuple[tuple[int, int], ...],
        *,
        final: bool,
    ) -> None:
        asked = session.options.language
        self._tell(
            wire.Heard(
                session_id=session.session_id,
                generation=session.generation,
                start_samples=words[0].start_samples if words else bounds[0],
                end_samples=words[-1].end_samples if words else bounds[1],
                words=words,
                final=final,
                through_samples=bounds[1],
                language=language or (asked if asked != "auto" else None),
                spoke=spoke,
                overlaps=overlaps,
            )
        )


def _tags_of(words: tuple[Word, ...], outcome: Hypothesis) -> tuple[int, ...]:
    """Of those that are left of its words."""
    left = {id(word) for word in words}
    return tuple(tag for word, tag in zip(outcome.words, outcome.tags, strict=False) if id(word) in left)
