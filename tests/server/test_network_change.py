"""A client whose network changes in the middle: it makes a new offer, and not a word is doubled."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from protocol.states import TranscriptState
from server.live import SourceOptions
from server.peer_source import Described
from server.services import Services
from tests.fakes.node import finals_of, new_client, running_services, texts, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.net.relay import UdpRelay
from tests.net.rtc_client import Exchange, RtcClient

SECOND_S = 6.0  # when the second sentence begins: a machine with much to do connects until then
SOUND = scripted_sound([*sentence("alpha bravo charlie", 0.6), *sentence("delta echo foxtrot", SECOND_S)])
SLACK_S = 0.6


def asking(services: Services, transcript_id: str, made: list[Described]) -> Exchange:
    """Offers go to the node, with the token of the session before if there was one."""

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        token = made[-1].resume_token if made else None
        made.append(await services.peers.answer(transcript_id, sdp, type_, SourceOptions(), resume_token=token))
        return made[-1].sdp, made[-1].type

    return exchange


async def test_a_client_goes_on_over_another_network_and_is_heard_once(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    made: list[Described] = []
    async with running_services(tmp_path) as services, UdpRelay(seed=1) as wifi, UdpRelay(seed=2) as mobile:
        await services.asr.wait_ready()
        client = await new_client(services)
        exchange = asking(services, client.transcript_id, made)
        async with RtcClient(SOUND) as before:
            await before.connect(wifi.between(exchange))
            await before.wait_message(lambda text: '"is_final":true' in text)
            # The microphone goes on; what it hears from here on waits for the new connection. The old one works on, and
            # its client says the same a little earlier, until it is told that it was replaced.
            rest = SOUND[before.track.sent_samples * BYTES_PER_SAMPLE :]
            left_s = loop.time()
            async with RtcClient(rest) as after:
                await after.connect(mobile.between(exchange))
                await before.wait_message(lambda text: '"code":"REPLACED"' in text)
                await before.closed.wait()
                await after.wait_message(lambda text: "foxtrot" in text and '"is_final":true' in text)
                late_s = after.track.began_s - left_s
                after.send('{"cmd":"STOP"}')
                await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        words = await words_of(services, client.transcript_id)
        finals = await finals_of(services, client.transcript_id)
        [track] = await services.store.tracks_of(client.transcript_id)
    assert made[0].session_id == made[1].session_id
    assert texts(words) == "alpha bravo charlie delta echo foxtrot"
    assert len({segment.segment_id for segment in finals}) == len(finals) == 2
    starts = [start for _, start in words]
    assert all(first < second for first, second in pairwise(starts))
    apart_s = (starts[3] - starts[0]) / SAMPLE_RATE_HZ
    assert abs(apart_s - (SECOND_S - 0.6 + late_s)) < SLACK_S
    assert track.length_samples >= starts[-1]
