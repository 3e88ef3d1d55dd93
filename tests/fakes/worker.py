"""An inference process without an engine: hears words that are written into the sound as plain values.

A run of samples of value ``n`` (1..29999) is the word ``w<n>``, zeros are silence, ``GAP_SAMPLES`` of it end an
utterance. The values of ``Cue`` make it misbehave. ``--state`` names a file that counts its starts, so that the first
runs (``--failures N``) and what a cue does (in the first run only, unless ``--always``) differ from what comes after.
Each of several workers counts its own, and with ``--only N`` all but one start well.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from asr.contract import Samples
from asr.wire import (
    TO_WORKER,
    Audio,
    Beside,
    Broken,
    Close,
    Finalize,
    FrameReader,
    Heard,
    Marker,
    Open,
    Ping,
    Pong,
    Ran,
    Ready,
    Settled,
    Shutdown,
    Working,
    frame,
)
from protocol.words import Word

GAP_SAMPLES = 4800


class Cue(IntEnum):
    CRASH = 30001
    HANG = 30002
    LEAK = 30003  # 400 MB
    GARBAGE = 30004
    GHOST = 30005  # shown as an interim word, but not in the final
    STALE = 30006  # says words under an earlier generation


def spoken(*words: int, gap_samples: int = 800, word_samples: int = 1600, end_samples: int = 8000) -> bytes:
    """The sound of one utterance of these words, with silence after it."""
    sound = b"".join(np.full(word_samples, word, "<i2").tobytes() + bytes(2 * gap_samples) for word in words)
    return sound + bytes(2 * end_samples)


def command(*options: str) -> tuple[str, ...]:
    return (sys.executable, str(Path(__file__).resolve()), *options)


@dataclass
class Hearing:
    """What one generation of one session has heard."""

    opened: Open
    position_samples: int = 0
    value: int = 0
    since_samples: int = 0
    words: list[Word] = field(default_factory=list)
    utterance_samples: int | None = None

    def runs(self, samples: Samples) -> Iterator[int]:
        """Go through the sound; yields the value of each run that ended."""
        edges = [0, *(np.flatnonzero(np.diff(samples)) + 1).tolist(), len(samples)]
        for start, end in itertools.pairwise(edges):
            value = int(samples[start])
            if value != self.value:
                yield from self.end_run()
                self.value, self.since_samples = value, self.position_samples
            if value and self.utterance_samples is None:
                self.utterance_samples = self.position_samples
            self.position_samples += end - start
            if not value and self.position_samples - self.since_samples >= GAP_SAMPLES and self.words:
                yield 0

    def end_run(self) -> Iterator[int]:
        if self.value:
            text = "ghost" if self.value == Cue.GHOST else f"w{self.value}"
            self.words.append(
                Word(text=text, start_samples=self.since_samples, end_samples=self.position_samples, confidence=0.5)
            )
            yield self.value
            self.value, self.since_samples = 0, self.position_samples


class Worker:
    def __init__(self, connection: socket.socket, options: argparse.Namespace, first: bool) -> None:
        self.connection = connection
        self.options = options
        self.cues_work = first or options.always
        self.hearings: dict[tuple[str, int], Hearing] = {}
        self.leaked: list[bytes] = []

    def say(self, message: BaseModel) -> None:
        self.connection.sendall(frame(message))

    def serve(self) -> None:
        frames = FrameReader()
        while data := self.connection.recv(65536):
            for header, payload in frames.feed(data):
                message = TO_WORKER.validate_json(header)
                if isinstance(message, Shutdown):
                    return
                self.take(message, payload)

    def take(self, message: BaseModel, payload: bytes) -> None:
        match message:
            case Ping():
                self.say(
                    Pong(
                        number=message.number, sessions=len(self.hearings), steps=1, step_s=0.5, busy=self.options.busy
                    )
                )
            case Open():
                key = (message.session_id, message.generation)
                first_samples = message.start_samples - message.lead_samples
                self.hearings[key] = Hearing(message, first_samples, since_samples=message.start_samples)
            case Close():
                self.hearings.pop((message.session_id, message.generation), None)
            case Audio():
                hearing = self.hearings[message.session_id, message.generation]
                assert message.start_samples == hearing.position_samples, "a hole or an overlap in the sound"
                assert 0 < len(payload) <= 32000
                time.sleep(self.options.slow * len(payload) / 32000)
                lead_samples = max(0, hearing.opened.start_samples - hearing.position_samples)
                told, samples = np.split(np.frombuffer(payload, "<i2"), [lead_samples])
                hearing.position_samples += len(told)
                if len(samples):
                    self.hear(hearing, samples)
                if self.options.ran:
                    self.say(Ran(kind="interim", size=1, batch_max=1, wait_ms=0.0, run_ms=1.0))
            case Finalize():
                hearing = self.hearings[message.session_id, message.generation]
                for value in hearing.end_run():
                    self.on_run(hearing, value)
                self.final(hearing)
                self.settled(hearing)
                self.say(
                    Marker(session_id=message.session_id, generation=message.generation, marker=message.marker),
                )

    def hear(self, hearing: Hearing, samples: Samples) -> None:
        for value in hearing.runs(samples):
            self.on_run(hearing, value)
        self.settled(hearing)

    def on_run(self, hearing: Hearing, value: int) -> None:
        if not value:
            self.final(hearing)
        elif self.cues_work and value in (Cue.CRASH, Cue.HANG, Cue.LEAK, Cue.GARBAGE):
            self.misbehave(Cue(value), hearing)
        elif value == Cue.STALE:
            hearing.words.pop()
            for session_id, generation in ((hearing.opened.session_id, hearing.opened.generation - 1), ("ses_x", 1)):
                self.heard(hearing, [Word(text="stale", start_samples=0, end_samples=9)], True, session_id, generation)
        else:
            if value in set(Cue) and value != Cue.GHOST:
                hearing.words.pop()
            if hearing.words and hearing.opened.options.interim:
                self.heard(hearing, hearing.words, False)

    def misbehave(self, cue: Cue, hearing: Hearing) -> None:
        opened = hearing.opened
        for i in range(self.options.beside):  # the first is over
            self.say(Beside(voices=((opened.session_id, i),)))
            if i < self.options.beside - 1:
                self.say(Beside(voices=()))
        if cue is not Cue.LEAK:
            self.say(Working(sessions=((opened.session_id, opened.generation, hearing.position_samples),)))
        if cue is Cue.CRASH:
            os._exit(3)
        if cue is Cue.LEAK:
            self.leaked.append(b"x" * (400 << 20))
        if cue is Cue.GARBAGE:
            self.connection.sendall(b"\xff" * 64)
        while True:
            time.sleep(60)

    def final(self, hearing: Hearing) -> None:
        if hearing.utterance_samples is not None:
            self.heard(hearing, [word for word in hearing.words if word.text != "ghost"], True)
            hearing.words, hearing.utterance_samples = [], None

    def heard(
        self,
        hearing: Hearing,
        words: Sequence[Word],
        final: bool,
        session_id: str | None = None,
        generation: int | None = None,
    ) -> None:
        self.say(
            Heard(
                session_id=session_id or hearing.opened.session_id,
                generation=hearing.opened.generation if generation is None else generation,
                start_samples=hearing.utterance_samples or 0,
                end_samples=hearing.position_samples,
                words=tuple(words),
                final=final,
                through_samples=hearing.position_samples,
            )
        )

    def settled(self, hearing: Hearing) -> None:
        utterance = hearing.utterance_samples
        self.say(
            Settled(
                session_id=hearing.opened.session_id,
                generation=hearing.opened.generation,
                samples=hearing.position_samples if utterance is None else utterance,
                through_samples=hearing.position_samples,
            )
        )


def main(arguments: Sequence[str] | None = None) -> int:
    faulthandler.enable()
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int)
    parser.add_argument("--settings")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--start", choices=("ready", "broken", "exit", "silent"), default="ready")
    parser.add_argument("--failures", type=int, default=1_000_000)
    parser.add_argument("--always", action="store_true")
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--workers-max", type=int, default=1)
    parser.add_argument("--workers-max-again", type=int, help="from its second start on")
    parser.add_argument("--beside", type=int, default=0, help="voices told apart when a cue comes; of so many calls")
    parser.add_argument("--busy", type=float, default=0.0, help="the share it says")
    parser.add_argument("--ran", action="store_true", help="tell of each step")
    parser.add_argument("--only", type=int, help="the index of the worker that fails to start")
    parser.add_argument("--lines", type=int, default=0, help="lines to print first")
    options = parser.parse_args(arguments)
    starts, index = 1, json.loads(options.settings)["index"]
    if options.state:
        options.state = options.state.with_name(f"{options.state.name}-{index}")
        with options.state.open("a") as state:
            state.write("x")
        starts = options.state.stat().st_size
    connection = socket.socket(fileno=options.fd)
    worker = Worker(connection, options, first=starts == 1)
    for _ in range(options.lines):
        print("x" * 9000, flush=True)
    if options.start != "ready" and starts <= options.failures and options.only in (None, index):
        if options.start == "broken":
            worker.say(Broken(code="no_model", message="there is no model"))
        if options.start == "silent":
            time.sleep(600)
        sys.exit(1)
    worker.say(
        Ready(
            engine="fake",
            model=f"run-{starts}",
            device="cpu",
            languages=("en",),
            reason="a test asked",
            workers_max=options.workers_max if starts == 1 else options.workers_max_again or options.workers_max,
        )
    )
    worker.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
