"""Calls of the encoder beside the loop: who waits for them, and who does not."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from asr import wire
from asr.aside import LOOK_S
from asr.contract import Samples
from asr.speakers.contract import Embeddings
from tests.asr.voices_bench import FIRST, LIVE, SECOND, TimedEncoder, VoicesBench, as_expected, said_by


class HeldEncoder(TimedEncoder):
    """Its calls are over when it is let go."""

    def __init__(self, bench: VoicesBench) -> None:
        super().__init__(bench)
        self.is_let_go = threading.Event()
        self.is_let_go.set()

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        assert self.is_let_go.wait(30)
        return super().embed(windows)


def held_in_a_call() -> tuple[VoicesBench, HeldEncoder]:
    """A session whose voices are in a call beside the loop, and another that wants none told."""
    bench = VoicesBench(load=HeldEncoder, in_thread=True)
    bench.open(options=LIVE)
    bench.loading.wait(30)
    assert isinstance(bench.encoder, HeldEncoder)
    bench.encoder.is_let_go.clear()
    bench.open("other")
    bench.live(said_by((0, FIRST))[: 2 * 40_000])
    assert bench.of(wire.Beside)[-1] == wire.Beside(voices=(("s", 1),))
    return bench, bench.encoder


def test_words_of_others_are_told_while_a_call_goes_on_beside() -> None:
    bench, encoder = held_in_a_call()
    bench.live(said_by((1, SECOND)), name="other")
    assert [word.text for word in bench.words("other")] == SECOND.split()
    assert bench.loop._voices._aside.busy
    assert bench.loop.next_due_s() == pytest.approx(bench.now_s + LOOK_S)
    encoder.is_let_go.set()
    bench.loop._voices._aside.wait()


def test_a_final_waits_for_the_call_that_has_voices_of_its_own() -> None:
    bench, encoder = held_in_a_call()
    rest = said_by((0, FIRST))[2 * 40_000 :]
    bench.audio(40_000, rest)
    letting_go = threading.Timer(0.1, encoder.is_let_go.set)
    letting_go.start()
    bench.finalize()
    bench.idle()
    letting_go.join()
    assert bench.whose() == as_expected((0, FIRST))
    inline = VoicesBench()
    inline.open(options=LIVE)
    inline.live(said_by((0, FIRST)))
    assert [prints.steps for prints in bench.prints()] == [prints.steps for prints in inline.prints()]
    bench.loop._voices._aside.wait()
