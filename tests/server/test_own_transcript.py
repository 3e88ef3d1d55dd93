"""Samples of several channels, dealt out. The rest is shown by the doors that use it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding
from server.own_transcript import Channels


@given(
    st.binary(max_size=200),
    st.sampled_from(sorted(BYTES_PER_SAMPLE)),
    st.integers(1, 8),
    st.lists(st.integers(0, 30), max_size=20),
)
def test_however_they_are_cut_channels_get_their_samples(
    data: bytes, encoding: Encoding, channels: int, cuts: list[int]
) -> None:
    dealer, width = Channels(encoding, channels), BYTES_PER_SAMPLE[encoding]
    dealt = [b""] * channels
    for length in (*cuts, len(data)):
        piece, data = data[:length], data[length:]
        given_out = dealer.deal(piece)
        dealt = [before + more for before, more in zip(dealt, given_out, strict=True)]
    assert len({len(each) for each in dealt}) == 1
    for channel, each in enumerate(dealt):
        assert len(each) % width == 0, channel


def test_each_channel_gets_its_own() -> None:
    assert Channels(Encoding.PCM_S16LE, 2).deal(b"aAbBaAbB") == [b"aAaA", b"bBbB"]
