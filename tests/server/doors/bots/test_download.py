"""Films of cameras and screens at signed addresses."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from media import picture_file
from media.drawn import png
from tests.fakes.pictures import h264, length_s, shown, still
from tests.fakes.running_app import RunningApp, running_app
from tests.server.bots import contract
from tests.server.doors.bots.test_stream import did, ended, path_of, pieces, recall, register

Parts = list[dict[str, Any]]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path) as running:
        yield running


def picture(who: int, at_s: float, data: bytes, *, kind: str = "webcam", form: str = "png") -> dict[str, Any]:
    participant = {"id": who, "name": f"Person {who}"}
    timestamp = {"relative": at_s, "absolute": None}
    inside = {
        "buffer": base64.b64encode(data).decode(),
        "timestamp": timestamp,
        "participant": participant,
        "type": kind,
    }
    return {"event": f"video_separate_{form}.data", "data": {"data": inside}}


async def shown_of(node: RunningApp, recording_id: str) -> Parts:
    listed = (await node.http.get(f"/api/v1/video_separate/{recording_id}/")).json()
    parts: Parts = (await node.http.get(listed["data"]["download_url"])).json()
    jsonschema_rs.validate(contract.VIDEO_SEPARATE, parts)
    return parts


async def test_cameras_and_screens_are_films(node: RunningApp) -> None:
    bot = await register(node)
    noise = np.random.default_rng(7).integers(0, 256, (400, 640, 3), np.uint8)  # which nothing makes smaller
    large = png(noise)
    assert len(large) > node.services.settings.message_max_bytes * 2
    first, second = h264([40, 90])
    async with node.socket(path_of(bot)) as socket:
        for message in [
            picture(1, 1.0, large),
            picture(1, 2.0, large),
            did("webcam_off", 1, 4.5),
            picture(2, 2.0, first, kind="screenshare", form="h264"),
            picture(2, 2.1, second, kind="screenshare", form="h264"),
            did("screenshare_off", 2, 3.0),
        ]:
            await socket.send(message)
        recording = await ended(node, bot)
    parts = await shown_of(node, recording["id"])
    assert [(part["type"], part["participant"]["name"], part["duration"]) for part in parts] == [
        ("webcam", "Person 1", 3.5),
        ("screenshare", "Person 2", 1.0),
    ]
    for part in parts:
        answer = await node.http.get(part["download_url"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        assert answer.headers["content-disposition"].endswith('.mp4"')
        assert length_s(io.BytesIO(answer.content)) == pytest.approx(part["duration"], abs=0.001)
        assert len(shown(io.BytesIO(answer.content))) == 2
        some = await node.http.get(part["download_url"], headers={"Range": "bytes=0-9"})
        assert (some.status_code, some.content) == (206, answer.content[:10])
        assert (await node.http.get(part["download_url"] + "0")).status_code == 403
        audio = part["download_url"].replace("video_part", "audio_part")
        assert (await node.http.get(audio)).status_code == 403  # signed for the other


async def test_what_is_not_left_is_not_found(node: RunningApp) -> None:
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        await socket.send(picture(1, 1.0, still(9)))
        await socket.send(picture(1, 1.0, b"no picture"))
        error = await socket.until("error")
        assert error["data"]["code"] == "AUDIO_FORMAT_ERROR"
        recording = await ended(node, bot)
    [part] = await shown_of(node, recording["id"])
    await node.services.removal.delete_sound(recording["id"])
    gone = await node.http.get(part["download_url"])
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_what_takes_its_time_is_taken_though_the_bot_is_told_to_leave(
    node: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = picture_file.append

    def slowly(path: Path, record: picture_file.PictureRecord) -> None:
        time.sleep(0.8)
        append(path, record)

    monkeypatch.setattr(picture_file, "append", slowly)
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        for number in range(3):
            await socket.send(picture(1, 1.0 + number, still(40 * number)))
        await socket.send(did("webcam_off", 1, 4.0))
        recording = await ended(node, bot)
    [part] = await shown_of(node, recording["id"])
    assert part["duration"] == pytest.approx(3.0, abs=0.001)


async def test_larger_messages_are_for_who_was_let_in(node: RunningApp) -> None:
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        with suppress(ConnectionClosed):  # it is closed while it is sent
            await socket.send(picture(1, 1.0, bytes(6 << 20)))
        assert (await socket.closed())[0] == 1009
    async with node.socket(path_of(bot)) as socket:  # and may come back
        for message in pieces(recall, 1, "alpha", 1.0):
            await socket.send(message)
        assert (await ended(node, bot))["status"]["code"] == "done"
