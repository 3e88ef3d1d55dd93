from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.opus import PACKET_MAX_SAMPLES, AvDecoder16k, Decoder16k, OpusDecoder, load_libopus, packet_samples
from protocol.errors import AudioFormatError
from tests.media.opus_sound import sweep_packets


def heard(decoder: OpusDecoder, packets: tuple[bytes, ...]) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.frombuffer(b"".join(decoder.decode(packet) for packet in packets), "<i2")


def test_the_bundled_library_is_found() -> None:
    assert load_libopus() is not None


@pytest.mark.parametrize("make", [Decoder16k, AvDecoder16k])
def test_a_packet_is_its_length_at_16_khz(make: type[Decoder16k] | type[AvDecoder16k]) -> None:
    for packet_ms in (10, 20, 40, 60):
        decoder = make()
        for packet in sweep_packets(0.6, packet_ms=packet_ms):
            assert packet_samples(packet) == 16 * packet_ms
            assert len(decoder.decode(packet)) == 2 * 16 * packet_ms


def test_both_decoders_hear_the_same() -> None:
    packets = sweep_packets(1.0)
    ours = heard(Decoder16k(), packets).astype(float)
    theirs = heard(AvDecoder16k(), packets).astype(float)
    best = max(
        float(np.corrcoef(ours[2_000:10_000], theirs[2_000 + lag : 10_000 + lag])[0, 1]) for lag in range(-200, 200)
    )
    assert best > 0.99


def test_what_is_lost_is_concealed_in_the_right_length() -> None:
    decoder = Decoder16k()
    packets = sweep_packets(0.4)
    heard(decoder, packets[:10])
    concealed = np.frombuffer(decoder.conceal(1_600), "<i2")
    assert len(concealed) == 1_600
    assert np.abs(concealed[:320]).max() > 1_000, "a tone goes on through the first lost packet"
    assert len(decoder.recover(packets[12], 320)) == 640
    assert len(decoder.decode(packets[12])) == 640


@pytest.mark.parametrize("make", [Decoder16k, AvDecoder16k])
def test_what_is_no_packet_is_refused(make: type[Decoder16k] | type[AvDecoder16k]) -> None:
    decoder = make()
    with pytest.raises(AudioFormatError):
        decoder.decode(b"")
    with pytest.raises(AudioFormatError):
        decoder.decode(b"\x03")


@given(st.binary(max_size=400))
def test_any_bytes_are_decoded_or_refused(packet: bytes) -> None:
    decoder = Decoder16k()
    try:
        pcm = decoder.decode(packet)
    except AudioFormatError:
        return
    assert len(pcm) == 2 * packet_samples(packet) <= 2 * PACKET_MAX_SAMPLES
