from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.sockets import PositionMap, SocketDecoder
from protocol.blocks import Block
from protocol.errors import AudioFormatError, InvalidMessage
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
HOURS_12 = 12 * 3600


def tone(rate_hz: int, length: int) -> npt.NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * 300 * np.arange(length) / rate_hz)


def pcm_of(blocks: list[Block], start_samples: int = 0) -> bytes:
    at = start_samples
    for block in blocks:
        assert block.start_samples == at
        at = block.end_samples
    return b"".join(block.pcm for block in blocks)


@given(
    rate_hz=st.sampled_from(RATES),
    start=st.integers(0, HOURS_12 * 48_000),
    start_samples=st.integers(0, HOURS_12 * 16_000),
    since=st.integers(0, HOURS_12 * 96_000),
)
def test_positions_are_exact_over_hours(rate_hz: int, start: int, start_samples: int, since: int) -> None:
    positions = PositionMap(rate_hz, start, start_samples)
    samples = positions.samples_of(start + since)
    assert abs(samples - start_samples - Fraction(since * 16_000, rate_hz)) <= Fraction(1, 2)
    # The way back gives the last position that is not after the sample.
    back = positions.position_of(samples)
    assert back >= start + since
    assert positions.samples_of(back) <= samples
    assert positions.samples_of(back + 1) > samples


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_resumed_stream_goes_on_at_the_right_sample(rate_hz: int) -> None:
    sound = (tone(rate_hz, 2 * rate_hz) * 32767).astype("<i2")
    first = SocketDecoder(Encoding.PCM_S16LE, rate_hz, 1)
    blocks = first.feed(sound[: rate_hz + 321].tobytes())
    # The connection is lost: what the resampler held is lost, too, and is not acknowledged.
    durable_samples = blocks[-1].end_samples
    position = first.position_of(durable_samples)
    assert position <= first.position
    second = SocketDecoder(Encoding.PCM_S16LE, rate_hz, 1, position, first.samples_of(position))
    blocks += second.feed(sound[position:].tobytes()) + second.flush()
    assert second.position == 2 * rate_hz
    pcm = pcm_of(blocks)
    assert abs(len(pcm) // 2 - 32_000) <= 1
    difference = np.frombuffer(pcm, "<i2")[:31_900] - 32767 * tone(16_000, 31_900)
    border = slice(durable_samples - 100, durable_samples + 100)
    difference[border] = difference[:200] = 0  # a new filter knows nothing of the sound before it
    half_a_sample = np.pi * 300 / 16_000 * 0.5 * 32767
    assert np.abs(difference).max() <= half_a_sample + 3


def _encoded(encoding: Encoding, values: npt.NDArray[np.float64]) -> bytes:
    match encoding:
        case Encoding.PCM_S16LE:
            return (values * 32767).astype("<i2").tobytes()
        case Encoding.PCM_S32LE:
            return (values * (2**31 - 1)).astype("<i4").tobytes()
        case _:
            return values.astype("<f4").tobytes()


@pytest.mark.parametrize("encoding", [Encoding.PCM_S16LE, Encoding.PCM_S32LE, Encoding.PCM_F32LE])
@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (16_000, 2), (48_000, 2), (44_100, 6)])
def test_pcm_of_any_kind_is_the_same_sound(encoding: Encoding, rate_hz: int, channels: int) -> None:
    values = np.repeat(tone(rate_hz, rate_hz), channels)
    values[channels - 1 :: channels] = 0.0 if channels > 1 else values[channels - 1 :: channels]
    share = (channels - 1) / channels if channels > 1 else 1.0  # one channel of several is silent
    decoder = SocketDecoder(encoding, rate_hz, channels)
    data = _encoded(encoding, values)
    step = len(data) // 10 // (4 * channels) * 4 * channels
    blocks = [block for at in range(0, len(data), step) for block in decoder.feed(data[at : at + step])]
    pcm = pcm_of(blocks + decoder.flush())
    assert decoder.position == rate_hz
    assert len(pcm) == 32_000
    wanted = tone(16_000, 16_000) * 32767 * share
    assert np.abs(np.frombuffer(pcm, "<i2")[100:-100] - wanted[100:-100]).max() <= 2


@pytest.mark.parametrize(
    ("encoding", "silence", "loudest"), [(Encoding.MULAW, 0xFF, 0x80), (Encoding.ALAW, 0xD5, 0xAA)]
)
def test_telephone_sound(encoding: Encoding, silence: int, loudest: int) -> None:
    decoder = SocketDecoder(encoding, 8_000, 1)
    blocks = decoder.feed(bytes([silence]) * 8_000 + bytes([loudest]) * 8_000) + decoder.flush()
    samples = np.frombuffer(pcm_of(blocks), "<i2")
    assert decoder.position == 16_000
    assert len(samples) == 32_000
    assert np.abs(samples[:15_900]).max() <= 8
    assert samples[16_100:].min() > 32_000


@pytest.mark.parametrize("encoding", [Encoding.PCM_S16LE, Encoding.PCM_S32LE, Encoding.MULAW, Encoding.ALAW])
def test_one_channel_of_integers_is_the_sound_of_two_that_are_alike(encoding: Encoding) -> None:
    width = BYTES_PER_SAMPLE[encoding]
    samples = np.random.default_rng(1).integers(0, 256, (8_000, width), dtype=np.uint8)
    one, two = SocketDecoder(encoding, 8_000, 1), SocketDecoder(encoding, 8_000, 2)
    mono = pcm_of(one.feed(samples.tobytes()) + one.flush())
    assert mono == pcm_of(two.feed(np.repeat(samples, 2, axis=0).tobytes()) + two.flush())
    assert one.position == two.position == 8_000


def _opus_packets(frames: int, rate_hz: int = 48_000) -> list[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = rate_hz, "mono", "s16"
    encoder.open()
    packets = []
    sound = (tone(rate_hz, frames * rate_hz // 50) * 32767).astype("<i2")
    for at in range(0, len(sound), rate_hz // 50):
        frame = av.AudioFrame.from_ndarray(sound[np.newaxis, at : at + rate_hz // 50], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        frame.pts = at
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


@pytest.mark.parametrize(
    ("rate_hz", "position"), [(48_000, 48_000), (16_000, 16_000), (8_000, 8_000), (12_000, 12_000)]
)
def test_opus_counts_in_the_clients_rate(rate_hz: int, position: int) -> None:
    decoder = SocketDecoder(Encoding.OPUS, rate_hz, 1, start_position=7, start_samples=1000)
    packets = _opus_packets(50)
    blocks = [block for packet in packets for block in decoder.feed(packet)]
    assert [block.packets for block in blocks] == [(packet,) for packet in packets]
    assert len(pcm_of(blocks + decoder.flush(), 1000)) == 32_000
    assert decoder.position == 7 + position
    assert decoder.position_of(17_000) == decoder.position
    samples = np.frombuffer(pcm_of(blocks, 1000), "<i2")
    assert 0.3 * 32767 < np.abs(samples[8000:]).max() < 0.7 * 32767


def test_a_bad_opus_packet_is_a_typed_error_and_takes_nothing() -> None:
    decoder = SocketDecoder(Encoding.OPUS, 48_000, 1)
    with pytest.raises(AudioFormatError):
        decoder.feed(b"\xff\xff\xff")
    assert decoder.position == 0
    assert decoder.feed(_opus_packets(1)[0])


def test_a_frame_of_broken_samples_is_refused_and_takes_nothing() -> None:
    decoder = SocketDecoder(Encoding.PCM_S16LE, 16_000, 2)
    with pytest.raises(InvalidMessage):
        decoder.feed(b"\0" * 6)
    assert decoder.position == 0
    assert decoder.feed(b"") == []


def test_what_is_not_a_number_is_silence() -> None:
    decoder = SocketDecoder(Encoding.PCM_F32LE, 16_000, 1)
    (block,) = decoder.feed(np.array([np.nan, 0.5, np.inf, -np.inf, -7.0], "<f4").tobytes())
    assert np.frombuffer(block.pcm, "<i2").tolist() == [0, 16384, 32767, -32768, -32768]


def test_an_acknowledgement_never_passes_what_was_sent() -> None:
    decoder = SocketDecoder(Encoding.PCM_S16LE, 44_100, 1, start_position=100, start_samples=50)
    decoder.feed(bytes(2 * 441))
    assert decoder.position_of(10**9) == decoder.position == 541
    assert decoder.position_of(decoder.samples_of(541)) == 541
    assert decoder.position_of(0) == 100


@pytest.mark.parametrize(
    ("encoding", "rate_hz", "channels"),
    [
        (Encoding.CONTAINER, 16_000, 1),
        (Encoding.PCM_S16LE, 7_999, 1),
        (Encoding.PCM_S16LE, 192_001, 1),
        (Encoding.PCM_S16LE, 16_000, 0),
        (Encoding.PCM_S16LE, 16_000, 9),
        (Encoding.OPUS, 44_100, 1),
    ],
)
def test_a_format_we_do_not_take(encoding: Encoding, rate_hz: int, channels: int) -> None:
    with pytest.raises(AudioFormatError):
        SocketDecoder(encoding, rate_hz, channels)


@given(data=st.binary(max_size=64), encoding=st.sampled_from([e for e in Encoding if e is not Encoding.CONTAINER]))
def test_any_frame_is_sound_or_a_documented_error(data: bytes, encoding: Encoding) -> None:
    decoder = SocketDecoder(encoding, 48_000, 2)
    try:
        blocks = decoder.feed(data) + decoder.flush()
    except (AudioFormatError, InvalidMessage):
        return
    pcm_of(blocks)
