"""Sound that ends every process, beside others: whose it is is found out, and only that is left out.

A client and the inference loop in one process and in virtual time; what would end the process is an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pydantic import BaseModel

from asr import wire
from asr.client import AsrClient
from asr.contract import Samples, SessionOptions, Step
from asr.engines.scripted import ScriptedEngine, hear
from asr.link import WorkerLink
from asr.listening import FRAMES_AT_ONCE_MAX
from asr.loop import InferenceLoop
from asr.session import LOST_MAX
from asr.utterances import FRAME_SAMPLES
from asr.vad import EnergyVoiceActivity
from protocol.words import Hypothesis
from tests.asr.conftest import Heard, feed, open_session, settings
from tests.asr.test_session import settle_down
from tests.fakes.scripted_sound import scripted_sound, sentence

READY = wire.Ready(engine="scripted", model="m", device="cpu", languages=(), reason="")
NAMES = ("zero", "one", "two", "three", "four")
POISON = "november"
NOISE = np.full(FRAMES_AT_ONCE_MAX * FRAME_SAMPLES, 12_345, np.int16)
LIVE, FILE, QUIET = SessionOptions(), SessionOptions(lane="file"), SessionOptions(interim=False)

Deadly = Callable[[Sequence[Step]], bool]


class Ended(BaseException):
    """The process is gone."""


def poison(steps: Sequence[Step]) -> bool:
    return any(word.text == POISON for step in steps for word in hear(step.samples, step.start_samples))


def poison_in_finals(steps: Sequence[Step]) -> bool:
    return any(step.flush and POISON in said(step) for step in steps)


def said(step: Step) -> list[str]:
    """All words of its utterance."""
    return [word.text for word in hear(np.concatenate(step.stream.sound), step.stream.start_samples)]


def three_at_once(steps: Sequence[Step]) -> bool:
    return len(steps) >= 3


class DeadlyEngine(ScriptedEngine):
    def __init__(self, deadly: Deadly) -> None:
        super().__init__("scripted", Path("unused"))
        self.deadly = deadly

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        hypotheses = super().step(steps)
        if self.deadly(steps):
            raise Ended
        return hypotheses


class DeadlyVoiceActivity(EnergyVoiceActivity):
    """Does not bear the noise."""

    def listen(self, batch: Sequence[tuple[Any, Samples]]) -> list[list[float]]:
        if any(np.any(samples == NOISE[0]) for _, samples in batch):
            raise Ended
        return super().listen(batch)


class Process:
    """A link to a loop of its own."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.said: list[BaseModel] = []
        self.now_s = 0.0
        self.loop = InferenceLoop(engine, DeadlyVoiceActivity(), settings(), self.said.append, lambda: self.now_s)

    def write(self, message: wire.ToWorker) -> None:
        self.loop.take(message)

    async def send(self, message: wire.ToWorker, payload: bytes = b"") -> None:
        self.loop.take(message, payload)


class Bench:
    """One session for each of ``texts``, which are its utterances."""

    def __init__(self, options: SessionOptions, texts: Sequence[Sequence[str]], deadly: Deadly = poison) -> None:
        self.engine = DeadlyEngine(deadly)
        self.client = AsrClient(settings())
        self.told = [Heard() for _ in texts]
        self.sessions = [open_session(self.client, told, options=options) for told in self.told]
        self.named: list[list[str]] = []  # the sessions in the step that ended a process
        for session, utterances in zip(self.sessions, texts, strict=True):
            for text in utterances:
                feed(session, scripted_sound(sentence(text)) if text else NOISE.tobytes())

    async def run(self) -> None:
        """To the end of all sound, over as many processes as that takes."""
        finalizing = asyncio.gather(*(session.finalize() for session in self.sessions))
        worker = self.client._workers[0]
        while not finalizing.done():
            process = Process(self.engine)
            worker.on_ready(cast(WorkerLink, process), READY)
            working: wire.Working | None = None
            try:
                while not finalizing.done():
                    await settle_down()
                    process.now_s += 0.1
                    process.loop.turn()
                    working = self.tell(process)
            except Ended:
                working = self.tell(process)
                assert working is not None
                self.named.append([session_id for session_id, *_ in working.sessions])
                worker.on_lost(planned=False, working=working)
            assert len(self.named) < 20
        await finalizing

    def tell(self, process: Process) -> wire.Working | None:
        """What it said; returns what it was doing last (``Supervisor._read``)."""
        working = None
        for message in process.said:
            working = message if isinstance(message, wire.Working) and message.sessions else None
            if isinstance(message, wire.Heard | wire.Settled | wire.Marker | wire.GaveUp):
                self.client._workers[0].on_message(message)
        process.said.clear()
        return working

    def require(self, words: Sequence[str], gave_up: Sequence[int]) -> None:
        """What each session heard, and of how many utterances it was told that they were not."""
        assert [told.text for told in self.told] == list(words)
        assert [len(told.gave_up) for told in self.told] == list(gave_up)
        assert self.client.status.gave_up == sum(gave_up)
        assert not any(session.suspect for session in self.sessions)

    def require_only_these_alone(self, guilty: Sequence[int]) -> None:
        """The first process was lost over all of them, each after it over one, until that one's sound was left out."""
        together, *alone = self.named
        assert together == [session.session_id for session in self.sessions]
        assert sorted(alone) == sorted(
            [self.sessions[number].session_id] for number in guilty for _ in range(1, LOST_MAX)
        )


Benches = Callable[..., Bench]


@pytest.fixture
async def benches() -> AsyncIterator[Benches]:
    made: list[Bench] = []

    def make(*arguments: Any) -> Bench:
        made.append(Bench(*arguments))
        return made[-1]

    yield make
    for bench in made:
        await bench.client.stop()


@pytest.mark.parametrize(
    ("options", "deadly"),
    [(LIVE, poison), (LIVE, poison_in_finals), (QUIET, poison), (FILE, poison)],
    ids=["live", "live, in finals", "without interims", "file"],
)
@pytest.mark.parametrize("guilty", [(0,), (1, 3), (0, 1, 2, 3, 4)], ids=str)
async def test_only_guilty_sound_is_left_out_and_nobody_else_is_blamed(
    benches: Benches, options: SessionOptions, deadly: Deadly, guilty: tuple[int, ...]
) -> None:
    middle = [f"river {POISON}" if number in guilty else "river silver" for number in range(len(NAMES))]
    bench = benches(
        options, [(f"good {name}", text, "table") for name, text in zip(NAMES, middle, strict=True)], deadly
    )
    await bench.run()
    words = [f"good {name}" + " river silver" * (number not in guilty) + " table" for number, name in enumerate(NAMES)]
    bench.require(words, [number in guilty for number in range(len(NAMES))])
    bench.require_only_these_alone(guilty)


async def test_nor_for_sound_that_voice_activity_does_not_bear(benches: Benches) -> None:
    bench = benches(LIVE, [("", "river"), ("good morning",), ("", "table"), ("good",)])
    await bench.run()
    bench.require(["river", "good morning", "table", "good"], [1, 0, 1, 0])
    bench.require_only_these_alone([0, 2])


async def test_who_ends_processes_only_together_loses_nothing(benches: Benches) -> None:
    bench = benches(LIVE, [(f"good {name}", "river", "silver", "table") for name in NAMES], three_at_once)
    await bench.run()
    assert len(bench.named) >= LOST_MAX
    bench.require([f"good {name} river silver table" for name in NAMES], [0] * len(NAMES))
