from __future__ import annotations

import numpy as np

from media.mixed_streams import TRAIL_FRAMES, MixedStreams, Work
from media.mixer import FRAME_BYTES, FRAME_SAMPLES, Mix
from media.opus import Decoder16k
from tests.net.ear import level, tone

VOICE = [tone(600, 2.0)[at : at + FRAME_BYTES] for at in range(0, 2 * 32_000, FRAME_BYTES)]


def test_who_hears_the_same_shares_one_encoder() -> None:
    streams = MixedStreams()
    everybody = [f"p{n}" for n in range(20)]
    work = streams.work(Mix(VOICE[0], {"p0": None}), everybody, 0)
    assert set(work) == set(everybody) - {"p0"}
    assert len({id(each) for each in work.values()}) == 1


def test_each_of_those_who_speak_has_their_own() -> None:
    work = MixedStreams().work(Mix(VOICE[0], {"a": VOICE[1], "b": VOICE[2]}), ["a", "b", "c"], 0)
    assert len({id(each.encoder) for each in work.values()}) == 3
    assert [work[key].frame for key in "abc"] == [VOICE[1], VOICE[2], VOICE[0]]


def test_silence_ends_a_stream_and_then_costs_nothing() -> None:
    streams = MixedStreams()
    assert streams.work(Mix(), ["a"], 0) == {}
    assert streams.work(Mix(VOICE[0]), ["a"], 1)["a"].begins
    trail = [streams.work(Mix(), ["a"], 2 + n) for n in range(TRAIL_FRAMES + 3)]
    assert [bool(each) for each in trail] == [True] * TRAIL_FRAMES + [False] * 3
    assert not any(any(work["a"].frame) for work in trail if work)
    assert streams.work(Mix(VOICE[0]), ["a"], 20)["a"].begins


def test_a_stream_that_nobody_heard_begins_anew() -> None:
    streams = MixedStreams()
    streams.work(Mix(VOICE[0], {}), ["a"], 0)
    streams.work(Mix(VOICE[1], {"a": VOICE[1]}), ["a"], 1)  # the common one is not fed
    assert streams.work(Mix(VOICE[2], {}), ["a"], 2)["a"].begins


def test_who_left_and_comes_back_has_another_encoder() -> None:
    streams = MixedStreams()
    before = streams.work(Mix(None, {"a": VOICE[0]}), ["a"], 0)["a"].encoder
    streams.leave("a")
    assert streams.work(Mix(None, {"a": VOICE[0]}), ["a"], 1)["a"].encoder is not before


def test_an_encoder_that_failed_begins_anew() -> None:
    streams = MixedStreams()
    for n, fails in enumerate((True, False, False)):
        work = streams.work(Mix(VOICE[n]), ["a"], n)["a"]
        assert work.begins == (n == 1)
        if fails:
            work.frame = b"of another length"
        work.do()
        assert (bool(work.packet), work.error is None) == (not fails, not fails)


def test_going_over_to_another_stream_is_not_heard() -> None:
    """A listener begins to speak, and stops: the tone that they hear all the time stays a tone."""
    streams, decoder = MixedStreams(), Decoder16k()
    heard = []
    for n, frame in enumerate(VOICE):
        mix = Mix(frame, {"me": frame} if 30 <= n < 60 else {})
        found = streams.work(mix, ["me", "other"], n)
        for work in {id(each): each for each in found.values()}.values():
            work.do()
        heard.append(np.frombuffer(decoder.decode(found["me"].packet), "<i2"))
    levels = [level(np.concatenate(heard[n : n + 2]), 600) for n in range(10, len(heard) - 2)]
    assert min(levels) > 0.5
    steps = np.abs(np.diff(np.concatenate(heard[10:]).astype(int)))
    assert steps.max() < 2 * np.median(np.sort(steps)[-100:]), "no click"
    assert len(heard[0]) == FRAME_SAMPLES


def test_what_cannot_be_encoded_is_an_empty_packet() -> None:
    work = MixedStreams().work(Mix(b"too short"), ["a"], 0)["a"]
    work.do()
    assert isinstance(work, Work)
    assert work.packet == b""
