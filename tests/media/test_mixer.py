"""Each hears the sum of the others: exactly, in time, without clicks, and whatever the network does."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.contract import Samples
from media.mixer import FRAME_SAMPLES, HOLD_SAMPLES, KNEE, OPEN_FRAMES, TARGET_SAMPLES, Mix, Mixer, soften
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ, Block, silence

CLICK = 1_500
"""No sound of these tests moves so far from one sample to the next."""


def tone(frequency_hz: float, frames: int, amplitude: float = 5_000) -> Samples:
    at = np.arange(frames * FRAME_SAMPLES) / SAMPLE_RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * at)).astype(np.int16)


def samples(frame: bytes | None) -> Samples:
    return np.zeros(FRAME_SAMPLES, np.int16) if frame is None else np.frombuffer(frame, "<i2")


class Speaker:
    """Says its sound in blocks of a packet's length."""

    def __init__(self, mixer: Mixer, key: str, sound: Samples, packet_samples: int = FRAME_SAMPLES) -> None:
        mixer.add(key)
        self.mixer, self.key, self.sound = mixer, key, sound
        self.said = 0
        self._packet = packet_samples

    def say(self, packets: int = 1) -> None:
        for _ in range(packets):
            piece = self.sound[self.said : self.said + self._packet]
            if len(piece):
                self.mixer.push(self.key, Block(self.said, piece.tobytes()))
            self.said += self._packet

    def skip(self) -> None:
        """A packet's time goes by without a packet."""
        self.said += self._packet


def joined(mixes: list[Mix], key: str) -> Samples:
    return np.concatenate([samples(mix.heard_by(key)) for mix in mixes])


def largest_step(sound: Samples) -> int:
    return int(np.abs(np.diff(sound.astype(int), prepend=0, append=0)).max())


def delay_samples(heard: Samples, said: Samples) -> int:
    """How much later the loud middle of what was said is heard."""
    middle = said[len(said) // 2 : len(said) // 2 + 4 * FRAME_SAMPLES].astype(float)
    match = np.correlate(heard.astype(float), middle, "valid")
    return int(match.argmax()) - len(said) // 2


def noise(frames: int, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0, 3_000, frames * FRAME_SAMPLES).astype(np.int16)


def test_each_hears_the_exact_sum_of_the_others() -> None:
    mixer = Mixer()
    sounds = {key: noise(30, seed) for seed, key in enumerate("abc")}
    speakers = [Speaker(mixer, key, sound) for key, sound in sounds.items()]
    mixer.add("listens")
    mixes = []
    for _ in range(30):
        for speaker in speakers:
            speaker.say()
        mixes.append(mixer.mix())
    heard = {key: joined(mixes, key) for key in ("a", "b", "c", "listens")}
    at = 10 * FRAME_SAMPLES  # after the fading in
    late = delay_samples(heard["listens"], np.sum([*sounds.values()], axis=0, dtype=np.int16))
    assert late <= TARGET_SAMPLES
    for key, got in heard.items():
        wanted = sum(sound.astype(int) for other, sound in sounds.items() if other != key)
        wanted = soften(np.asarray(wanted, np.int32))
        assert np.array_equal(got[at:], wanted[at - late : len(wanted) - late]), key


KEYS = "abcd"
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(KEYS), st.integers(1, 15)),
        st.tuples(st.just("skip"), st.sampled_from(KEYS), st.integers(1, 3)),
        st.tuples(st.just("rejoin"), st.sampled_from(KEYS), st.just(0)),
        st.tuples(st.just("leave"), st.sampled_from(KEYS), st.just(0)),
        st.tuples(st.just("mix"), st.just(""), st.integers(1, 8)),
    ),
    max_size=60,
)


@given(ACTS, st.sampled_from(KEYS))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_nobody_hears_themselves_and_memory_is_bounded(
    acts: list[tuple[str, str, int]], me: str
) -> None:
    """The same meeting twice: in one of them I say something else. I cannot hear a difference."""
    heard = []
    for mine in (tone(300, 400), noise(400, seed=9)):
        mixer = Mixer()
        sounds = {key: mine if key == me else tone(500 + 100 * n, 400) for n, key in enumerate(KEYS)}
        speakers = {key: Speaker(mixer, key, sound) for key, sound in sounds.items()}
        out: list[bytes] = []
        for act, key, count in acts:
            if act == "say":
                speakers[key].say(count)
            elif act == "skip":
                speakers[key].said += count * FRAME_SAMPLES
            elif act == "rejoin":
                speakers[key] = Speaker(mixer, key, sounds[key])
            elif act == "leave" and key != me:
                mixer.remove(key)
            for _ in range(count if act == "mix" else 0):
                out.append(samples(mixer.mix().heard_by(me)).tobytes())
            assert all(mixer.waiting_samples(each) <= HOLD_SAMPLES for each in KEYS if each in mixer)
        heard.append(out)
    assert heard[0] == heard[1]


@pytest.mark.parametrize("packet_ms", [10, 20, 60, 120])
def test_jitter_is_not_heard_and_delay_stays_small(packet_ms: int) -> None:
    mixer, dice = Mixer(), random.Random(packet_ms)
    packet = packet_ms * MS_SAMPLES
    said = noise(600)
    speaker = Speaker(mixer, "a", said, packet)
    mixer.add("b")
    due = sorted((n + 1) * packet_ms + dice.uniform(0, 25) for n in range(600 * 20 // packet_ms))
    mixes = []
    for tick in range(600):
        while due and due[0] <= tick * 20:
            due.pop(0)
            speaker.say()
        mixes.append(mixer.mix())
    heard = joined(mixes, "b")
    late = delay_samples(heard, said)
    assert late <= (60 + 2 * packet_ms + 20) * MS_SAMPLES
    steady = slice(300 * FRAME_SAMPLES, 500 * FRAME_SAMPLES)
    assert np.array_equal(heard[steady], said[steady.start - late : steady.stop - late]), "nothing was cut or missing"
    assert mixer.dropped_samples == 0


def test_a_burst_is_cut_to_the_target_without_a_click() -> None:
    mixer = Mixer()
    speaker = Speaker(mixer, "a", tone(300, 100))
    mixer.add("b")
    mixes = []
    for tick in range(60):
        speaker.say(25 if tick == 20 else 0 if 10 < tick < 20 else 1)  # a stall, and all of it at once
        mixes.append(mixer.mix())
        assert mixer.waiting_samples("a") <= HOLD_SAMPLES
    assert mixer.dropped_samples >= 25 * FRAME_SAMPLES - HOLD_SAMPLES
    assert largest_step(joined(mixes, "b")) < CLICK


def test_what_is_too_much_goes_where_it_is_quiet() -> None:
    mixer = Mixer()
    words, pause = tone(300, 20), np.full(10 * FRAME_SAMPLES, 3, np.int16)
    speaker = Speaker(mixer, "a", np.concatenate([words, pause, words, pause]))
    mixer.add("b")
    for _ in range(10):
        speaker.say()
        mixer.mix()
    speaker.say(5)  # 100 ms came at once: below the bound, so nothing is cut from a word
    assert mixer.dropped_samples == 0
    for _ in range(12):
        speaker.say()
        mixer.mix()
    assert mixer.dropped_samples == 0
    for _ in range(14):
        speaker.say()
        mixer.mix()
    assert mixer.dropped_samples > 0
    assert mixer.waiting_samples("a") < TARGET_SAMPLES + 2 * FRAME_SAMPLES


def test_an_input_that_runs_dry_fades_out_waits_and_fades_in() -> None:
    mixer = Mixer()
    speaker = Speaker(mixer, "a", tone(300, 200))
    mixer.add("b")
    mixes = []
    for tick in range(80):
        if 20 <= tick < 40:
            speaker.skip()
        else:
            speaker.say()
        mixes.append(mixer.mix())
    heard = joined(mixes, "b")
    assert not heard[26 * FRAME_SAMPLES : 40 * FRAME_SAMPLES].any()
    assert np.abs(heard[50 * FRAME_SAMPLES :]).max() > 4_000
    assert largest_step(heard) < CLICK


def test_who_comes_or_goes_in_the_middle_of_a_word_makes_no_click() -> None:
    mixer = Mixer()
    sound = tone(300, 100)
    speaker = Speaker(mixer, "a", sound)
    mixer.add("b")
    mixes = []
    for tick in range(60):
        if tick == 20:
            speaker = Speaker(mixer, "a", sound[777:])  # by another connection
        if tick == 45:
            mixer.remove("a")
        speaker.say()
        mixes.append(mixer.mix())
    heard = joined(mixes, "b")
    assert np.abs(heard[30 * FRAME_SAMPLES : 40 * FRAME_SAMPLES]).max() > 4_000
    assert not heard[46 * FRAME_SAMPLES :].any()
    assert largest_step(heard) < CLICK


def test_a_word_shorter_than_what_is_waited_for_is_heard() -> None:
    mixer = Mixer()
    speaker = Speaker(mixer, "a", tone(300, 1))
    mixer.add("b")
    speaker.say()
    mixes = [mixer.mix() for _ in range(20)]
    assert np.abs(joined(mixes, "b")).max() > 4_000


def test_silence_wakes_nobody_and_is_told_as_nothing() -> None:
    mixer = Mixer()
    for key in "ab":
        mixer.add(key)
        mixer.push(key, silence(0, 8_000, ()))
        assert mixer.waiting_samples(key) == 0
    assert mixer.mix() == Mix()
    assert not mixer._awake


def test_noise_that_nobody_would_hear_opens_no_voice() -> None:
    mixer = Mixer()
    hum = Speaker(mixer, "hum", tone(100, 100, amplitude=30))
    word = Speaker(mixer, "word", np.concatenate([tone(300, 5), tone(100, 95, amplitude=30)]))
    mixes = []
    for _ in range(60):
        hum.say()
        word.say()
        mixes.append(mixer.mix())
    assert not joined(mixes, "word").any()
    assert any(mix.heard_by("hum") for mix in mixes)
    spoke = [n for n, mix in enumerate(mixes) if "word" in mix.own]
    assert OPEN_FRAMES <= len(spoke) <= OPEN_FRAMES + 6
    assert all("hum" not in mix.own for mix in mixes)


def test_who_speaks_alone_hears_nobody_and_all_others_the_same() -> None:
    mixer = Mixer()
    speaker = Speaker(mixer, "a", tone(300, 20))
    for n in range(19):
        mixer.add(f"listener {n}")
    for _ in range(10):
        speaker.say()
        mix = mixer.mix()
    assert mix.own == {"a": None}
    assert mix.common is not None


@given(st.lists(st.integers(-32_768 * 50, 32_767 * 50), min_size=1, max_size=50))
@settings(deadline=None)
def test_sums_are_bent_and_never_wrap(sums: list[int]) -> None:
    soft = soften(np.asarray(sorted(sums), np.int32)).astype(int)
    assert all(one <= next_ for one, next_ in pairwise(soft)), "louder stays louder"
    for loud, got in zip(sorted(sums), soft, strict=True):
        assert (got >= 0) == (loud >= 0) or got == 0
        assert abs(got) <= 32_767
        assert abs(loud) > KNEE or got == loud


def test_many_at_once_are_loud_and_not_broken() -> None:
    mixer = Mixer()
    speakers = [Speaker(mixer, str(n), tone(300, 20, amplitude=30_000)) for n in range(20)]
    mixer.add("listens")
    mixes = []
    for _ in range(20):
        for speaker in speakers:
            speaker.say()
        mixes.append(mixer.mix())
    heard = joined(mixes, "listens").astype(int)
    assert heard.max() > 32_000
    assert np.sign(heard[10 * FRAME_SAMPLES + 5]) == np.sign(samples(mixes[10].heard_by("0"))[5])
    assert abs(heard.max() + heard.min()) < 10, "bent alike above and below"


def test_what_comes_late_or_twice_is_heard_once() -> None:
    mixer = Mixer()
    sound = noise(20)
    mixer.add("a")
    mixer.add("b")
    mixes = []
    for n in range(20):
        for start in (n, max(0, n - 1)):
            piece = sound[start * FRAME_SAMPLES : (start + 1) * FRAME_SAMPLES]
            mixer.push("a", Block(start * FRAME_SAMPLES, piece.tobytes()))
        mixes.append(mixer.mix())
    heard = joined(mixes, "b")
    late = delay_samples(heard, sound)
    assert np.array_equal(heard[5 * FRAME_SAMPLES :], sound[5 * FRAME_SAMPLES - late : len(sound) - late])


def test_nothing_of_somebody_who_is_not_there() -> None:
    mixer = Mixer()
    mixer.push("nobody", Block(0, noise(1).tobytes()))
    mixer.remove("nobody")
    assert mixer.mix() == Mix()
    assert "nobody" not in mixer
    assert len(mixer) == 0
