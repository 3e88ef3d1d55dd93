"""An engine that tells speakers of an utterance apart itself: its tags say where they change, voices who they are."""

from __future__ import annotations

from collections.abc import Sequence

from asr.contract import Step
from protocol.words import Hypothesis, Word
from tests.asr.test_loop import Bench, CountingEngine
from tests.asr.voices_bench import FIRST, LIVE, SECOND, TALK, VoicesBench, said_by

INVENTED = Word(text="invented", start_samples=0, end_samples=100)  # where nobody speaks


class Tagging(CountingEngine):
    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        return [
            self._tagged(each) if step.flush else each for step, each in zip(steps, super().step(steps), strict=True)
        ]

    def _tagged(self, heard: Hypothesis) -> Hypothesis:
        """The last word of the first is the second's, and that of the second its own."""
        changes = len(FIRST.split()) - 1
        tags = [2 if at < changes else 1 for at in range(len(heard.words))]
        return Hypothesis(committed=(INVENTED, *heard.words), tags=(3, *tags))


def tagging(bench: Bench) -> CountingEngine:
    return Tagging(bench, 0.0)


def test_who_speaks_changes_where_the_tags_do() -> None:
    bench = VoicesBench(engine_of=tagging)
    bench.open(options=LIVE)
    bench.live(said_by(*TALK) + said_by((1, SECOND)))
    first, second = bench.finals()
    assert [word.text for word in first.words] == [*FIRST.split(), *SECOND.split()]
    assert [(one.voice, one.words, one.of_one) for one in first.spoke] == [(0, 5, True), (1, 7, True)]
    # In the next utterance the same tag is another's; of two tags with one voice it is not said that they are one.
    assert [(one.voice, one.words, one.of_one) for one in second.spoke] == [(1, 6, False)]
