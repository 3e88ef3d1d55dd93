"""WebRTC reception alone: network and decoding, up to 16 kHz mono sound, beside stock aiortc in the same run.

Raw senders on one core, the receiving process on the other; what is measured is its processor time, by the second of a
stream, how late sound comes, how late its event loop is, its threads and its memory.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.figures import Figures, percentile
from tests.bench.node import cores
from tests.bench.rtp_sender import PACKET_S, Receiving, Sender
from tests.media.opus_sound import sweep_packets, syllables_packets

SETTLE_S = 1.0
LOST_AT_S = 1.0
"""Of the run for delays: one packet never leaves; what came before is the base."""
LOSS = 0.05


async def measure(figures: Figures, *, quick: bool) -> None:
    seconds = 3.0 if quick else 10.0
    core = (cores() or (None,))[0]
    packets = sweep_packets(4.0)
    async with Receiving("stock", core, packets) as stock:
        figures.add(stock_delay_ms_2s_after_one_loss=await delay_after_loss_ms(stock))
        await stock.grow(40)
        found = await cost(stock, seconds)
        figures.add(stock_ms_per_stream_s_at_40=found["ms"], stock_threads_at_40=found["threads"])
        stock_ms = found["ms"]
    async with Receiving("router", core, packets) as router:
        await router.grow(40)
        figures.add(router_ms_per_stream_s_at_40=(await cost(router, seconds))["ms"])
    async with Receiving("direct", core, packets) as direct:
        figures.add(delay_ms_2s_after_one_loss=await delay_after_loss_ms(direct))
        await direct.grow(40)
        at_40 = await cost(direct, seconds)
        await direct.grow(100)
        at_100 = await cost(direct, seconds)
        figures.add(
            ms_per_stream_s_at_40=at_40["ms"],
            ms_per_stream_s_at_100=at_100["ms"],
            cheaper_than_stock_at_40=stock_ms / at_40["ms"],
            threads_at_40=at_40["threads"],
            threads_at_100=at_100["threads"],
            mb_per_peer=(at_100["resident_mb"] - at_40["resident_mb"]) / 60,
            delivered_share_at_100=at_100["delivered"],
        )
        if not quick:
            await direct.grow(200)
            at_200 = await cost(direct, seconds)
            figures.add(ms_per_stream_s_at_200=at_200["ms"], loop_lag_p99_ms_at_200=at_200["lag_p99_ms"])
    await measure_wideband(figures, core, seconds)
    async with Receiving("direct", core, packets) as lossy:
        figures.add(media_time_error_ms_at_5_percent_loss=await media_time_error_ms(lossy, seconds * 2))
    figures.notes.append(
        "Reception alone is up to 16 kHz sound, without recognition: one process on one core, raw senders (packets of "
        "20 ms, 32 kbit/s, SRTP) on another. Stock is aiortc's receiver and a resampler to 16 kHz; router is our "
        "receiver behind aiortc's queues; the other figures are with the direct tap. Packets are of the full band, as "
        "senders choose where nothing is asked of them; wideband is what our answers ask for, unless told otherwise."
    )


async def measure_wideband(figures: Figures, core: int | None, seconds: float) -> None:
    packets = syllables_packets(4.0, rate_hz=SAMPLE_RATE_HZ)
    async with Receiving("stock", core, packets) as stock:
        await stock.grow(40)
        figures.add(stock_wideband_ms_per_stream_s_at_40=(await cost(stock, seconds))["ms"])
    async with Receiving("direct", core, packets) as direct:
        await direct.grow(40)
        figures.add(wideband_ms_per_stream_s_at_40=(await cost(direct, seconds))["ms"])
        await direct.grow(100)
        figures.add(wideband_ms_per_stream_s_at_100=(await cost(direct, seconds))["ms"])


async def cost(receiving: Receiving, seconds: float) -> dict[str, Any]:
    """What the receiving process spends while everybody sends: ``ms`` of processor per second of sound that came out.

    On a full machine some sound waits in the socket at the end, or was lost there: it cost nothing, and does not count.
    """
    await receiving.send(SETTLE_S)
    before = await receiving.ask(mark=True)
    await receiving.send(seconds)
    after = await receiving.ask(mark=True)
    sent_s = round(seconds / PACKET_S) * PACKET_S * len(receiving.senders)
    out_s = max(PACKET_S, (after["came_samples"] - before["came_samples"]) / SAMPLE_RATE_HZ)
    return {**after, "ms": (after["cpu_s"] - before["cpu_s"]) * 1000 / out_s, "delivered": out_s / sent_s}


async def delay_after_loss_ms(receiving: Receiving) -> float:
    """How old sound is when it comes, 2 s after one packet was lost (median of a second)."""
    await receiving.grow(1)
    (sender,) = receiving.senders
    lost = round(LOST_AT_S / PACKET_S)
    await receiving.send(LOST_AT_S + 3.0, lost=lambda sender: sender.sent == lost)
    heard = await receiving.ask(heard=0)
    after_s = sender.began_s + LOST_AT_S
    return percentile(ages_ms(heard["times"], sender.began_s, after_s + 1.5, after_s + 2.5), 50)


def ages_ms(times: list[tuple[float, float]], began_s: float, from_s: float, until_s: float) -> list[float]:
    """Of what came between two times: how long before its last packet was sent."""
    return [(came_s - began_s - end_s + PACKET_S) * 1000 for came_s, end_s in times if from_s <= came_s <= until_s]


async def media_time_error_ms(receiving: Receiving, seconds: float) -> float:
    """The worst of some streams: how much more or less sound came out than was sent, packets lost at random."""
    await receiving.grow(4)
    dice = random.Random(4)

    def lost(sender: Sender) -> bool:
        # The first begins time, and the last ends it.
        return 0 < sender.sent < round(seconds / PACKET_S) - 5 and dice.random() < LOSS

    await receiving.send(seconds, lost)
    await asyncio.sleep(0.5)  # what is on its way arrives
    worst_ms = 0.0
    for sender in receiving.senders:
        heard = await receiving.ask(heard=sender.number)
        worst_ms = max(worst_ms, abs(heard["samples"] / SAMPLE_RATE_HZ - sender.sent * PACKET_S) * 1000)
    return worst_ms
