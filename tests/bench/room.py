"""Rooms: what it costs that everybody hears the others, and how much later they do.

Raw participants on one core, the process with the rooms on the other, without recognition. Those who do not speak send
nothing, as browsers do that were asked for discontinuous transmission; all of them receive.
"""

from __future__ import annotations

import fractions
import time
from collections.abc import Callable

import av
import numpy as np
from aiortc.codecs.opus import OpusEncoder as AiortcEncoder

from media.mixer import FRAME_BYTES, FRAME_SAMPLES, Mixer
from media.opus import Decoder16k
from media.opus_encoder import open_encoder
from protocol.blocks import SAMPLE_RATE_HZ, Block
from tests.bench.figures import Figures, percentile
from tests.bench.node import cores
from tests.bench.rtp_sender import PACKET_S, Participant, Receiving
from tests.fakes.spoken_sample import spoken_sample
from tests.media.opus_sound import opus_packets, syllables_packets

SPOKEN_S = 8.0
WORD_PACKETS = 30
"""So long a sound is there, and so long it is quiet after it."""
LOUD = 1_000


async def measure(figures: Figures, *, quick: bool) -> None:
    seconds = 3.0 if quick else 10.0
    figures.add(
        mixer_us_per_frame=mixer_us(participants=20, speaking=3),
        encode_us_per_frame=encode_us(),
        aiortc_encode_us_per_frame=aiortc_encode_us(),
    )
    core = (cores() or (None,))[0]
    for speaking, name in ((1, "one_speaks"), (3, "three_speak")):
        found = await cost(core, rooms=1, size=20, speaking=speaking, seconds=seconds)
        figures.add(**{f"room_of_20_{name}_ms_per_participant_s": found["ms"]})
    found = await cost(core, rooms=25, size=4, speaking=1, seconds=seconds)
    figures.add(
        **{
            "25_rooms_of_4_one_speaks_ms_per_participant_s": found["ms"],
            "25_rooms_of_4_loop_lag_p99_ms": found["lag_p99_ms"],
            "25_rooms_of_4_ticks_missed": found["ticks_missed"],
        }
    )
    delays_ms = await delays(core, words=8 if quick else 40)
    figures.add(room_delay_p50_ms=percentile(delays_ms, 50), room_delay_p95_ms=percentile(delays_ms, 95))
    figures.notes.append(
        "Rooms are measured without recognition: one process on one core takes, decodes, mixes, encodes, protects and "
        "sends; the participants are raw senders and receivers on another core. Delay is what the server adds, from a "
        "sound's first packet sent to the first packet in which it is heard: not the packet's own 20 ms, nor what a "
        "browser's own buffers add."
    )


def mixer_us(*, participants: int, speaking: int, frames: int = 500) -> float:
    mixer = Mixer()
    sound = np.random.default_rng(1).normal(0, 3_000, FRAME_SAMPLES).astype("<i2").tobytes()
    for n in range(participants):
        mixer.add(str(n))
    began_s = time.process_time()
    for frame in range(frames):
        for n in range(speaking):
            mixer.push(str(n), Block(frame * FRAME_SAMPLES, sound))
        mixer.mix()
    return (time.process_time() - began_s) / frames * 1e6


def _spoken() -> list[bytes]:
    pcm = spoken_sample().samples[: round(SPOKEN_S * SAMPLE_RATE_HZ)].tobytes()
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def encode_us() -> float:
    encoder, frames = open_encoder(), _spoken()
    began_s = time.process_time()
    for frame in frames:
        encoder.encode(frame)
    return (time.process_time() - began_s) / len(frames) * 1e6


def aiortc_encode_us() -> float:
    encoder, frames = AiortcEncoder(), []
    for n, pcm in enumerate(_spoken()):
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.planes[0].update(pcm)
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, n * FRAME_SAMPLES
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE_HZ)
        frames.append(frame)
    began_s = time.process_time()
    for frame in frames:
        encoder.encode(frame)
    return (time.process_time() - began_s) / len(frames) * 1e6


async def cost(core: int | None, *, rooms: int, size: int, speaking: int, seconds: float) -> dict[str, float]:
    """``ms``: of processor, per participant and second."""
    async with Receiving("direct", core, syllables_packets(4.0)) as receiving:
        await receiving.grow(rooms * size, in_rooms_of(size))
        await receiving.send(1.0, lambda sender: sender.number % size >= speaking)
        before = await receiving.ask(mark=True)
        await receiving.send(seconds, lambda sender: sender.number % size >= speaking)
        after = await receiving.ask(mark=True)
    spent_ms = (after["cpu_s"] - before["cpu_s"]) * 1000
    return {
        "ms": spent_ms / (after["at_s"] - before["at_s"]) / (rooms * size),
        "lag_p99_ms": after["lag_p99_ms"],
        "ticks_missed": after["ticks_missed"] - before["ticks_missed"],
    }


async def delays(core: int | None, *, words: int) -> list[float]:
    """One says short sounds, another listens: how long after its first packet was sent each is heard, in ms."""
    at = np.arange(WORD_PACKETS * FRAME_SAMPLES) / SAMPLE_RATE_HZ
    word = (8_000 * np.sin(2 * np.pi * 500 * at)).astype("<i2").tobytes()
    packets = opus_packets(bytes(len(word)) + word)
    async with Receiving("direct", core, packets) as receiving:
        await receiving.grow(2, in_rooms_of(2))
        speaker, listener = receiving.senders
        await receiving.send((words + 0.5) * 2 * WORD_PACKETS * PACKET_S, lambda sender: sender is not speaker)
        assert isinstance(listener, Participant)
        begins_s = [speaker.began_s + (2 * n + 1) * WORD_PACKETS * PACKET_S for n in range(words)]
        return heard_after_ms(listener.heard, begins_s)


def heard_after_ms(heard: list[tuple[float, bytes]], begins_s: list[float]) -> list[float]:
    decoder = Decoder16k()
    loud_s = []
    for at_s, packet in heard:
        sound = np.frombuffer(decoder.decode(packet), "<i2").astype(int)
        if np.abs(sound).max(initial=0) > LOUD:
            loud_s.append(at_s)
    found = [next((at_s for at_s in loud_s if at_s >= begin_s), None) for begin_s in begins_s]
    return [(at_s - begin_s) * 1000 for at_s, begin_s in zip(found, begins_s, strict=True) if at_s is not None]


def in_rooms_of(size: int) -> Callable[[int], str]:
    return lambda number: f"room {number // size}"
