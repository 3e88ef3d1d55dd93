"""Pausing at every door: what was said meanwhile is silence of the right length, and all else is in its time."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np

from protocol.blocks import SAMPLE_RATE_HZ
from server.live import SourceOptions
from tests.fakes.node import finals_of, new_client, running_services
from tests.fakes.running_app import RunningApp, Socket, running_app
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.waiting import until
from tests.net.rtc_client import RtcClient

BEFORE = sentence("alpha bravo", 0.4)
MEANWHILE = sentence("charlie delta", 0.4)
AFTER = sentence("echo foxtrot", 0.4)
PIECES = [scripted_sound(words, length_s=2.0) for words in (BEFORE, MEANWHILE, AFTER)]
PIECE_SAMPLES = 2 * SAMPLE_RATE_HZ
EXPECTED = [(word.text, word.start_samples) for word in scripted_words(BEFORE)] + [
    (word.text, word.start_samples + 2 * PIECE_SAMPLES) for word in scripted_words(AFTER)
]


async def say(speaker: Socket, pcm: bytes) -> None:
    """Returns when the server has taken all of it."""
    for at in range(0, len(pcm), 6400):
        await speaker.send(pcm[at : at + 6400])
    await speaker.send({"type": "finalize"})
    await speaker.until("finalized")


async def heard(node: RunningApp, transcript_id: str, track: str) -> list[tuple[str, int]]:
    finals = await finals_of(node.services, transcript_id)
    return [(word.text, word.start_samples) for final in finals if final.track == track for word in final.words]


async def recorded(node: RunningApp, transcript_id: str, track: str) -> np.ndarray[Any, np.dtype[np.int16]]:
    answer = await node.http.get(f"/v1/transcripts/{transcript_id}/audio", params={"track": track})
    with wave.open(io.BytesIO(answer.content)) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")


async def test_a_reader_pauses_all_tracks_together_and_the_recordings_keep_time(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        path = f"/v1/transcripts_stream/{id_}"
        async with (
            node.socket(f"/v1/transcripts_websocket/{id_}") as reader,
            node.socket(path) as anna,
            node.socket(path) as ben,
        ):
            for each, name in ((anna, "Anna"), (ben, "Ben")):
                start = {"encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE_HZ, "participant": {"name": name}}
                await each.send({"type": "start", "data": start})
                await each.until("started")
            for piece, action, status in zip(
                PIECES, ("pause", "start", None), ("paused", "processing", None), strict=True
            ):
                for each in (anna, ben):
                    await say(each, piece)
                if action is not None:
                    await reader.send({"action": action, "params": {}})
                    while (await reader.until("status"))["data"]["status"] != status:
                        pass
            for each in (anna, ben):
                await each.send({"type": "stop"})
                await each.until("stopped")
        tracks = await node.services.store.tracks_of(id_)
        assert len(tracks) == 2
        for track in tracks:
            assert await heard(node, id_, track.id) == EXPECTED
            sound = await recorded(node, id_, track.id)
            expected = b"".join((PIECES[0], bytes(len(PIECES[1])), PIECES[2]))
            assert sound.tobytes() == expected


async def test_a_speaking_socket_pauses_itself_and_others_speak_on(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        path = f"/v1/transcripts_stream/{id_}"
        async with node.socket(path) as anna, node.socket(path) as ben:
            for each, name in ((anna, "Anna"), (ben, "Ben")):
                start = {"encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE_HZ, "participant": {"name": name}}
                await each.send({"type": "start", "data": start})
                await each.until("started")
            for piece, control in zip(PIECES, ("pause", "resume", None), strict=True):
                for each in (anna, ben):
                    await say(each, piece)
                if control is not None:
                    await anna.send({"type": control})
                    # Of all, and not durable: the answer.
                    answer = await anna.until(lambda message: message["type"] == "status" and "seq" not in message)
                    assert answer["data"]["status"] == "processing"
            for each in (anna, ben):
                await each.send({"type": "stop"})
                await each.until("stopped")
        by_name = {track.speaker: track.id for track in await node.services.store.tracks_of(id_)}
        assert await heard(node, id_, by_name["Anna"]) == EXPECTED
        assert [text for text, _ in await heard(node, id_, by_name["Ben"])] == [
            "alpha",
            "bravo",
            "charlie",
            "delta",
            "echo",
            "foxtrot",
        ]


async def test_a_peer_pauses_on_its_channel_and_its_words_stay_in_time(tmp_path: Path) -> None:
    words = sentence("alpha bravo", 0.5) + sentence("charlie delta", 3.0) + sentence("echo foxtrot", 6.0)
    async with running_services(tmp_path) as services:
        await services.asr.wait_ready()
        client = await new_client(services)

        async def exchange(sdp: str, type_: str) -> tuple[str, str]:
            answered = await services.peers.answer(client.transcript_id, sdp, type_, SourceOptions())
            return answered.sdp, answered.type

        async with RtcClient(scripted_sound(words)) as peer:
            await peer.connect(exchange)
            await peer.wait_message(lambda text: '"is_final":true' in text)
            peer.send('{"action": "pause"}')
            await peer.wait_message(lambda text: '"status":"paused"' in text)
            [session] = services.hub.sessions.values()
            first = (await finals_of(services, client.transcript_id))[0].words[0].start_samples
            await until(lambda: session.pipeline.length_samples >= first + round(3.6 * SAMPLE_RATE_HZ))
            peer.send('{"action": "resume"}')
            await peer.wait_message(lambda text: "foxtrot" in text and '"is_final":true' in text)
            peer.send('{"cmd": "STOP"}')
            await peer.wait_message(lambda text: '"status":"completed"' in text)
        said = [word for final in await finals_of(services, client.transcript_id) for word in final.words]
        assert [word.text for word in said] == ["alpha", "bravo", "echo", "foxtrot"]
        assert abs(said[2].start_samples - said[0].start_samples - round(5.5 * SAMPLE_RATE_HZ)) <= 640
        finals = [json.loads(text) for text in peer.messages if '"is_final":true' in text]
        assert [final["data"]["text"] for final in finals] == ["alpha bravo", "echo foxtrot"]
