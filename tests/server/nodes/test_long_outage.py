"""PostgreSQL is away while somebody speaks, and in the middle of that the node where they speak is killed.

The speaker's client goes on and keeps what was not acknowledged; when PostgreSQL is back, another node has it all. By
hand, with the time that our promise names:

    EARSHOT_TEST_OUTAGE_S=60 python -m pytest tests/server/nodes/test_long_outage.py
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.seq_reader import SeqReader
from tests.server.databases import Postgres, SocketRelay
from tests.server.nodes.test_sound_survives import (
    A_SECOND,
    DEADLINE_S,
    Nodes,
    Voice,
    kept_at,
    new_transcript,
    s3,
    speaking_client,
    words_in,
)

__all__ = ["s3"]

OUTAGE_S = float(os.environ.get("EARSHOT_TEST_OUTAGE_S", "5"))
BEFORE_S, AFTER_S, ROUND_S = 6, 4, 4
SPOKEN = [
    (word, at + ROUND_S * number)
    for number in range(round((BEFORE_S + OUTAGE_S + AFTER_S) / ROUND_S) + 1)
    for word, at in sentence("alpha bravo charlie delta echo foxtrot golf hotel", 0.5)
]


async def speak_live(voice: Voice, from_s: float, length_s: float) -> None:
    """A second of it each second."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    at_s = 0.0
    while at_s < length_s:
        at_s += min(1.0, length_s - at_s)
        await asyncio.sleep(max(0.0, began_s + at_s - loop.time()))
        voice.go_on(round((from_s + at_s) * SAMPLE_RATE_HZ) * BYTES_PER_SAMPLE)  # whoever is there to hear it


@pytest.mark.process
async def test_a_node_dies_while_postgresql_is_away_and_every_word_is_there_once(
    tmp_path: Path, postgres: Postgres, postgres_url: str, redis_url: str, s3: S3Server
) -> None:
    pcm = scripted_sound(SPOKEN)
    voice = Voice(pcm)
    enough = asyncio.Event()

    def on_acked(position: int) -> None:
        if position >= 4 * SAMPLE_RATE_HZ:
            enough.set()

    name = postgres_url.split("/")[3].split("?")[0]
    async with asyncio.timeout(DEADLINE_S + 2 * OUTAGE_S), SocketRelay.running(postgres.folder) as way:
        nodes = Nodes(tmp_path, s3, postgres.url(name, way.folder), redis_url, "ab")
        async with nodes.node("a") as a, nodes.node("b") as b:
            id_ = await new_transcript(a)
            client = speaking_client(nodes, id_, voice, on_acked, give_up_s=DEADLINE_S + OUTAGE_S)
            reader = SeqReader(b.websocket_url, id_)
            speaking, reading = asyncio.create_task(client.speak()), asyncio.create_task(reader.read())
            await voice.say(BEFORE_S * A_SECOND)
            await enough.wait()
            await way.cut()
            [recording] = (nodes.folder / "a" / "recordings" / id_).glob("trk_*")
            before_bytes = recording.stat().st_size
            await speak_live(voice, BEFORE_S, OUTAGE_S / 2)
            assert recording.stat().st_size > before_bytes  # sound is kept meanwhile, if not acknowledged for long
            await a.kill()
            await speak_live(voice, BEFORE_S + OUTAGE_S / 2, OUTAGE_S / 2)
            await way.heal()
            voice.say_all()
            await speaking
            await reading
            kept, told = await kept_at(b, id_)
            # What the first node kept for the database is another's by now, and told once all the same.
            await a.start()
            assert await kept_at(a, id_) == (kept, told)
            assert "Traceback" not in a.log
    assert kept == pcm
    assert words_in(told) == [(word.text, word.start_samples) for word in scripted_words(SPOKEN)]
    reader.check_whole([word for word, _ in words_in(told)])
