"""What a crash leaves, and samples of several channels, dealt out. The rest is shown by the doors that use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import NotFound
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding, Start
from server.own_transcript import Channels, OwnTranscript
from tests.fakes.node import running_services


@pytest.mark.parametrize("keep", [True, False])
async def test_what_a_crash_cut_off_stays_if_it_was_to_and_sound_came(tmp_path: Path, keep: bool) -> None:
    made = []
    async with running_services(tmp_path) as services:
        for sound in (b"", bytes(6400)):
            own = await OwnTranscript.begin(services, services.settings, owner=None, name="a stream", keep=keep)
            session = await own.speak(Start())
            await session.audio(sound)
            made.append(own.id)
    async with running_services(tmp_path) as services:  # nobody left the one before
        with pytest.raises(NotFound):
            await services.store.get_transcript(made[0])
        if keep:
            assert (await services.store.get_transcript(made[1])).id == made[1]
        else:
            with pytest.raises(NotFound):
                await services.store.get_transcript(made[1])


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
