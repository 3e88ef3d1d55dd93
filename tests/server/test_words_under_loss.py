"""A voice over a network that loses packets: where nothing was lost, its words are those without loss, in time."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr.engines.scripted import VOCABULARY
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.states import TranscriptState
from server.live import SourceOptions
from server.services import Services
from tests.fakes.node import new_client, running_services, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound
from tests.net.relay import UdpRelay
from tests.net.rtc_client import RtcClient

WORD_S, EVERY_S = 0.16, 0.26
COUNT = 36
SPOKEN = [(VOCABULARY[number], 0.3 + number * EVERY_S) for number in range(COUNT)]
SOUND = scripted_sound(SPOKEN, word_s=WORD_S, length_s=0.3 + COUNT * EVERY_S + 1.0)
SPEED = 4.0
SEED = 220  # one that leaves seven words whole at 20 %
PACKET_SAMPLES = 320
REACH_SAMPLES = 2 * PACKET_SAMPLES
"""Loss so near to a word may touch it: the codec's delay, and where it finds back."""
Words = list[tuple[str, int]]


@dataclass(frozen=True)
class Heard:
    words: Words
    lost: frozenset[int]  # packets, counted from the first


def losing(lost: frozenset[int]) -> Callable[[bytes], bool]:
    """Says of a datagram on its way whether it is one of these packets of sound."""
    first: list[int] = []

    def is_lost(data: bytes) -> bool:
        if len(data) < 12 or not 128 <= data[0] <= 191 or 192 <= data[1] <= 223:
            return False
        sequence = int.from_bytes(data[2:4], "big")
        first.append(sequence)
        return (sequence - first[0]) & 0xFFFF in lost

    return is_lost


async def heard(services: Services, loss: float) -> Heard:
    dice = random.Random(SEED)
    packets = len(SOUND) // 2 // PACKET_SAMPLES
    lost = frozenset(index for index in range(1, packets) if dice.random() < loss)
    client = await new_client(services)

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        described = await services.peers.answer(client.transcript_id, sdp, type_, SourceOptions())
        return described.sdp, described.type

    async with UdpRelay(seed=1) as relay, RtcClient(SOUND, speed=SPEED) as peer:
        relay.to_b.chosen, relay.to_b.drop_next = losing(lost), packets
        await peer.connect(relay.between(exchange))
        await peer.sent()
        peer.send('{"cmd":"STOP"}')
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert relay.to_b.counts.lost == len(lost)
    return Heard(from_the_voices_beginning(await words_of(services, client.transcript_id)), lost)


def from_the_voices_beginning(words: Words) -> Words:
    """Times since the first packet; on the track they are since it was opened, which is some time before."""
    spoken = {text: round(start_s * SAMPLE_RATE_HZ) for text, start_s in SPOKEN}
    later_samples = round(statistics.median(start - spoken[text] for text, start in words if text in spoken))
    return [(text, start - later_samples) for text, start in words]


def untouched(words: Words, lost: frozenset[int]) -> Words:
    """Those with no lost sound in or near them."""
    length_samples = round(WORD_S * SAMPLE_RATE_HZ)
    return [
        (text, start)
        for text, start in words
        if not lost.intersection(
            range(
                (start - REACH_SAMPLES) // PACKET_SAMPLES,
                (start + length_samples + REACH_SAMPLES) // PACKET_SAMPLES + 1,
            )
        )
    ]


def missing(wanted: Words, among: Words) -> Words:
    """Those that are not among the others, the same word at the same time (one packet more or less)."""
    return [
        (text, start)
        for text, start in wanted
        if not any(text == other and abs(start - at) <= PACKET_SAMPLES for other, at in among)
    ]


async def test_words_outside_lost_sound_are_those_without_loss(tmp_path: Path) -> None:
    async with running_services(tmp_path, udp_port=0) as services:
        await services.asr.wait_ready()
        plain, *lossy = await asyncio.gather(*(heard(services, loss) for loss in (0.0, 0.01, 0.05, 0.20)))
    assert [text for text, _ in plain.words] == [text for text, _ in SPOKEN]
    clean = [untouched(plain.words, each.lost) for each in lossy]
    assert [len(words) > least for words, least in zip(clean, (25, 15, 4), strict=True)] == [True] * 3
    for each, words in zip(lossy, clean, strict=True):
        assert missing(words, each.words) == []
        assert missing(untouched(each.words, each.lost), plain.words) == []
