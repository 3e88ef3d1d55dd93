"""A meeting whose server is killed in the middle: its bot comes back, and nothing of it is lost or twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from media.drawn import drawn, png
from tests.e2e.test_pull_the_plug import QUICK
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.server.bots import contract
from tests.server.doors.bots.test_download import picture
from tests.server.doors.bots.test_stream import PIECE_S, RATE_HZ, Message, did, recall

pytestmark = pytest.mark.process

KILLED_S, AGAIN_S, END_S = 6.0, 3.5, 10.0  # what a bot is not sure of it tells again
LATE_S = 2.0  # so late a busy machine may hear what was sent, and so much less it has
NEAR_S = 0.05
WORDS = {
    1: sentence("alpha bravo charlie delta echo foxtrot golf hotel", 0.5, gap_s=0.8),  # all the time
    2: sentence("one two", 1.0),  # before it
    3: sentence("three four five six", 4.0),  # while it happens
}
HEARD_S = {1: (0.0, 9.5), 2: (0.5, 2.5), 3: (3.5, 7.0)}


def script() -> list[tuple[float, Message]]:
    found: list[tuple[float, Message]] = []
    for who, words in WORDS.items():
        pcm, (start_s, end_s) = scripted_sound(words, length_s=END_S), HEARD_S[who]
        for number in range(round(start_s / PIECE_S), round(end_s / PIECE_S)):
            at_s, size = number * PIECE_S, round(PIECE_S * RATE_HZ) * 2
            found.append((at_s + PIECE_S, recall(who, at_s, pcm[number * size : (number + 1) * size])))
    found += [(1.0 + at / 2, picture(1, 1.0 + at / 2, png(drawn(1, at / 2)))) for at in range(16)]
    found.append((9.0, did("webcam_off", 1, 9.0)))
    return sorted(found, key=lambda each: each[0])


async def play(server: ServerProcess, path: str, messages: list[tuple[float, Message]]) -> None:
    """As fast as time goes, until the server is gone."""
    began_s = asyncio.get_running_loop().time() - messages[0][0]
    try:
        async with connect(server.websocket_url + path, compression=None) as socket:
            for at_s, message in messages:
                await asyncio.sleep(max(0.0, began_s + at_s - asyncio.get_running_loop().time()))
                await socket.send(json.dumps(message))
    except ConnectionClosed:
        return


async def asked(http: httpx.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json()


async def documents(http: httpx.AsyncClient, recording_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("participant_events", "transcript", "audio_separate", "video_separate"):
        media = await asked(http, f"/api/v1/{kind}/{recording_id}/")
        for name, url in media["data"].items():
            found[kind if name == "download_url" else name.removesuffix("_download_url")] = await asked(http, url)
    return found


async def done(http: httpx.AsyncClient, recording_id: str) -> dict[str, Any]:
    """Its documents, once it is."""
    async with asyncio.timeout(60):
        while (await asked(http, f"/api/v1/recording/{recording_id}/"))["status"]["code"] != "done":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return await documents(http, recording_id)


def stretches(parts: list[dict[str, Any]]) -> list[Any]:
    return sorted((each["participant"]["id"], each["start_timestamp"]["relative"], each["duration"]) for each in parts)


async def test_killed_in_the_middle_a_meeting_is_whole(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", **QUICK)
    everything = script()
    async with server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            bot = (await http.post("/api/v1/bot/", json={})).json()
        path = "/" + bot["websocket_url"].split("/", 3)[3]
        recording_id = bot["recordings"][0]["id"]
        playing = asyncio.create_task(play(server, path, everything))
        await asyncio.sleep(KILLED_S)  # the fault's moment, not a wait for anything
        await server.kill()
        await playing
        await server.start()
        await play(server, path, [each for each in everything if each[0] >= AGAIN_S])
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            assert (await http.post(f"/api/v1/bot/{bot['id']}/leave_call/")).status_code == 200
            found = await done(http, recording_id)
            for name, document in found.items():
                jsonschema_rs.validate(getattr(contract, name.upper()), document)
            for part in (*found["audio_separate"], *found["video_separate"]):
                assert (await http.get(part["download_url"])).content
    spoken = sorted(
        (each["participant"]["id"], word["start_timestamp"]["relative"], word["text"])
        for each in found["transcript"]
        for word in each["words"]
    )
    assert spoken == [
        (who, pytest.approx(at_s, abs=NEAR_S), word) for who, words in WORDS.items() for word, at_s in words
    ]
    # One part of each: nothing was missing when it came back.
    assert stretches(found["audio_separate"]) == [
        (who, pytest.approx(start_s, abs=NEAR_S), pytest.approx(end_s - start_s, abs=NEAR_S))
        for who, (start_s, end_s) in HEARD_S.items()
    ]
    assert stretches(found["video_separate"]) == [(1, pytest.approx(1.0, abs=NEAR_S), pytest.approx(8.0, abs=NEAR_S))]
    assert {each["id"]: each["is_host"] for each in found["participants"]} == {1: True, 2: False, 3: False}


async def test_killed_and_never_visited_again_a_meeting_has_what_it_had(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", **QUICK, resume_grace_s=0)
    async with server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            bot = (await http.post("/api/v1/bot/", json={})).json()
        path = "/" + bot["websocket_url"].split("/", 3)[3]
        recording_id = bot["recordings"][0]["id"]
        playing = asyncio.create_task(play(server, path, script()))
        await asyncio.sleep(KILLED_S)
        await server.kill()
        await playing
        await server.start()
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            found = await done(http, recording_id)
    # The recorder may lose the last second, and its pictures' last one is shown for one.
    assert stretches(found["audio_separate"]) == [
        (1, pytest.approx(0.0, abs=NEAR_S), pytest.approx(KILLED_S, abs=LATE_S)),
        (2, pytest.approx(0.5, abs=NEAR_S), pytest.approx(2.0, abs=NEAR_S)),
        (3, pytest.approx(3.5, abs=NEAR_S), pytest.approx(KILLED_S - 3.5, abs=LATE_S)),
    ]
    assert stretches(found["video_separate"]) == [
        (1, pytest.approx(1.0, abs=NEAR_S), pytest.approx(KILLED_S - 1.0, abs=LATE_S))
    ]
