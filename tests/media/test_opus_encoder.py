from __future__ import annotations

import numpy as np
import pytest

from media.opus import Decoder16k, packet_samples
from media.opus_encoder import FRAME_BYTES, FRAME_SAMPLES, AvEncoder16k, Encoder16k, OpusEncoder, open_encoder
from tests.net.ear import level, tone

FRAMES = 25


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]


@pytest.mark.parametrize("make", [Encoder16k, AvEncoder16k])
def test_a_tone_comes_out_of_the_decoder(make: type[Encoder16k] | type[AvEncoder16k]) -> None:
    encoder: OpusEncoder = make()
    decoder = Decoder16k()
    packets = [encoder.encode(frame) for frame in frames(tone(600, FRAMES * 0.02))]
    assert all(packet_samples(packet) == FRAME_SAMPLES for packet in packets)
    assert sum(map(len, packets)) < FRAMES * 160
    heard = np.frombuffer(b"".join(decoder.decode(packet) for packet in packets), "<i2")
    assert level(heard[5 * FRAME_SAMPLES :], 600) > 0.7
    assert level(heard[5 * FRAME_SAMPLES :], 900) < 0.05


@pytest.mark.parametrize("make", [Encoder16k, AvEncoder16k])
def test_a_reset_encoder_is_like_a_new_one(make: type[Encoder16k] | type[AvEncoder16k]) -> None:
    encoder: OpusEncoder = make()
    said = frames(tone(600, 0.2))
    first = [encoder.encode(frame) for frame in said]
    encoder.reset()
    assert [encoder.encode(frame) for frame in said] == first


def test_what_ffmpeg_cannot_encode_is_an_os_error() -> None:
    encoder = AvEncoder16k()
    encoder._codec.sample_rate = 1  # refused when it is opened
    with pytest.raises(OSError, match="FFmpeg"):
        encoder.encode(bytes(FRAME_BYTES))


def test_a_lost_packet_of_speech_is_in_the_next_one() -> None:
    """The copy is worse than the packet and better than what a decoder makes up."""
    encoder = Encoder16k()
    dice = np.random.default_rng(3)
    # Rises and falls as speech does: what is made up from before a loss is wrong.
    at = np.arange(50 * FRAME_SAMPLES) / 16_000
    voice = np.sin(2 * np.pi * 150 * at) * np.abs(np.sin(2 * np.pi * 4 * at)) * 9_000 + dice.normal(0, 200, len(at))
    packets = [encoder.encode(frame) for frame in frames(voice.astype("<i2").tobytes())]
    whole, with_copy, without = Decoder16k(), Decoder16k(), Decoder16k()
    errors = {"copy": 0.0, "made up": 0.0}
    for n, packet in enumerate(packets):
        wanted = np.frombuffer(whole.decode(packet), "<i2").astype(float)
        if n % 5 == 3 and n + 1 < len(packets):
            copied = np.frombuffer(with_copy.recover(packets[n + 1], FRAME_SAMPLES), "<i2")
            made_up = np.frombuffer(without.conceal(FRAME_SAMPLES), "<i2")
            errors["copy"] += float(((copied - wanted) ** 2).sum())
            errors["made up"] += float(((made_up - wanted) ** 2).sum())
        else:
            with_copy.decode(packet)
            without.decode(packet)
    assert errors["copy"] < errors["made up"] / 2


def test_a_frame_of_another_length_is_refused() -> None:
    for encoder in (open_encoder(), AvEncoder16k()):
        with pytest.raises(OSError, match="length"):
            encoder.encode(bytes(FRAME_BYTES - 2))
