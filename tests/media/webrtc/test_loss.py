"""Our peer against a client, through a network that loses, delays, repeats and overtakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from protocol.states import SessionState
from tests.media.webrtc.conftest import Opened, Ports
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.relay import UdpRelay
from tests.net.rtc_client import RtcClient
from tests.net.strangers import request

SPEECH_S = 2.0
SAMPLE_RATE_HZ = 16_000
REACH_SAMPLES = 3_200


def marked(length_s: float) -> bytes:
    """Noise bursts of 100 ms at the start of every half second, for telling where in time sound came out."""
    sound = np.zeros(int(length_s * SAMPLE_RATE_HZ))
    dice = np.random.default_rng(5)
    for start in range(0, len(sound), SAMPLE_RATE_HZ // 2):
        sound[start : start + 1_600] = dice.normal(0, 6_000, len(sound[start : start + 1_600]))
    return np.clip(sound, -30_000, 30_000).astype("<i2").tobytes()


def offsets_samples(pcm: bytes, sent: bytes) -> list[int]:
    """How much later than sent each burst is heard; bursts that were mostly lost are left out."""
    heard, wanted = (np.frombuffer(sound, "<i2").astype(float) for sound in (pcm, sent))
    heard = np.concatenate([np.zeros(REACH_SAMPLES), heard, np.zeros(2 * REACH_SAMPLES)])
    found: list[int] = []
    for start in range(0, len(wanted), SAMPLE_RATE_HZ // 2):
        burst = wanted[start : start + 1_600]
        around = heard[start : start + len(burst) + 2 * REACH_SAMPLES]
        match = np.correlate(around, burst, "valid")
        if match.max() > 0.3 * np.dot(burst, burst):
            found.append(int(match.argmax()) - REACH_SAMPLES)
    return found


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {"loss": 0.01},
        {"loss": 0.05},
        {"reorder": 0.10, "reorder_s": 0.025},
        {"duplicate": 0.10},
        {"jitter_s": 0.030, "delay_s": 0.020},
        {"loss": 0.05, "reorder": 0.03, "duplicate": 0.02, "corrupt": 0.01, "truncate": 0.01},
    ],
    ids=lambda faults: "+".join(faults) + "".join(f" {rate}" for rate in faults.values()) or "none",
)
async def test_samples_out_are_media_time(opened: Opened, faults: dict[str, float]) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with UdpRelay(seed=11) as relay, RtcClient(marked(SPEECH_S)) as client:
        await client.connect(relay.between(peer.answer))
        with relay.to_b.faults(**faults):
            await client.sent()
            await listening.until(lambda: listening.end_samples >= (SPEECH_S + 0.1) * SAMPLE_RATE_HZ)
        offsets = offsets_samples(listening.pcm(), marked(SPEECH_S))
        await peer.close()
    # The first packets may be lost, and time begins with the first that came: offsets are held against each other.
    assert len(offsets) >= SPEECH_S * 2 - 2
    assert max(offsets) - min(offsets) <= 0.020 * SAMPLE_RATE_HZ
    if not faults or ("duplicate" in faults and len(faults) == 1):
        assert peer.stats.lost == 0


async def test_one_loss_does_not_delay_what_follows(opened: Opened) -> None:
    """How long it holds back is asked of the timeline, in virtual time; aiortc's own receiver stays 200 ms late."""
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with UdpRelay(seed=3) as relay, RtcClient(marked(2.5)) as client:
        await client.connect(relay.between(peer.answer))
        await listening.until(lambda: listening.end_samples >= SAMPLE_RATE_HZ)
        relay.to_b.chosen = lambda data: 128 <= data[0] <= 191 and len(data) > 1 and data[1] & 0x7F not in range(72, 77)
        relay.to_b.drop_next = 1
        lost_s = asyncio.get_running_loop().time()
        await listening.until(lambda: listening.end_samples >= 2 * SAMPLE_RATE_HZ)
        await peer.close()
    assert peer.stats.lost == 1
    assert peer.stats.concealed >= 320
    delays = np.array(
        [
            at - block.end_samples / SAMPLE_RATE_HZ
            for at, block in zip(listening.arrived_s, listening.blocks, strict=True)
        ]
    )
    arrived = np.array(listening.arrived_s)
    base = np.median(delays[arrived < lost_s])
    after = np.median(delays[arrived > lost_s + 0.2])
    assert after - base < 0.100


async def test_a_peer_outlives_a_black_hole(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with UdpRelay(seed=5) as relay, RtcClient() as client:
        await client.connect(relay.between(peer.answer))
        await listening.until(lambda: listening.end_samples > 3_200)
        with relay.both(black_hole=True):
            await asyncio.sleep(0.5)
        heard = listening.end_samples
        await listening.until(lambda: listening.end_samples > heard + 3_200)
        await peer.close()
    assert [state for state, _ in listening.states] == [SessionState.LIVE, SessionState.CLOSED]


async def test_a_peer_that_is_gone_is_closed(opened: Opened) -> None:
    listening = Listening()
    peer = opened(replace(LOCAL, gone_after_s=1.0), listening)
    async with UdpRelay(seed=6) as relay, RtcClient() as client:
        await client.connect(relay.between(peer.answer))
        await listening.until(lambda: listening.end_samples > 0)
        with relay.both(black_hole=True):
            await listening.until(lambda: listening.state is SessionState.CLOSED)
    assert listening.states[-1][1] == "nothing heard from the peer"
    await peer.close()


async def test_who_forges_a_dead_peers_address_does_not_keep_it(opened: Opened, ports: Ports) -> None:
    shared, listening = ports(), Listening()
    peer = opened(replace(LOCAL, gone_after_s=1.0), listening, shared)
    async with UdpRelay(seed=6) as relay, RtcClient() as client:
        await client.connect(relay.between(peer.answer))
        await listening.until(lambda: listening.end_samples > 0)
        (guard,) = peer._guards
        face, source = next(iter(guard._seat.sources))
        ufrag = guard._seat.ufrag.encode()
        forged = (b"\x80\x6f" + bytes(40), b"\x16\xfe\xfd" + bytes(40), request(ufrag + b":x"), request(b"", kind=0x11))
        with relay.both(black_hole=True):
            async with asyncio.timeout(60):
                while listening.state is not SessionState.CLOSED:
                    for data in forged:
                        shared.lend().received(face, data, source)
                    await asyncio.sleep(0.05)
    assert listening.states[-1][1] == "nothing heard from the peer"
    await peer.close()


async def test_candidates_nobody_can_reach_are_no_hindrance(opened: Opened) -> None:
    """A browser that hides its addresses behind mDNS names is found by its own checks."""
    listening = Listening()
    peer = opened(LOCAL, listening)

    async def hidden(sdp: str, type_: str) -> tuple[str, str]:
        lines = [line for line in sdp.splitlines() if not line.startswith("a=candidate")]
        at = lines.index("a=end-of-candidates")
        lines.insert(at, "a=candidate:1 1 udp 2113937151 0b5f0f42-3f2e-4a6e.local 54321 typ host")
        return await peer.answer("\r\n".join(lines) + "\r\n", type_)

    async with RtcClient() as client:
        await client.connect(hidden)
        await listening.until(lambda: listening.end_samples > 0)
        await peer.close()
