"""A clock that is set moves no deadline: the wall's time is only asked for what people and documents read."""

from __future__ import annotations

import ast
import asyncio
import time
from pathlib import Path

import pytest

from protocol.ids import new_session_id
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

ROOT = Path(__file__).parents[2]
# Where the wall's time may be asked, how often, and what for.
WALL_TIME = {
    "media/webrtc/sender.py": 1,  # what a sender report tells of the moment
    "server/accounts/accounts.py": 1,  # whether a token or key holds: its issuer is another machine
    "server/archive.py": 1,  # the times of an archive's files
    "server/chunked_uploads.py": 2,  # whose uploads nobody goes on with since a day, restarts or not
    "server/commands/bot.py": 1,  # the time of day that the bot tells which it plays
    "server/doors/access.py": 1,  # when a token ends
    "server/doors/deepgram/live.py": 1,  # the time of a connection that its metadata tells
    "server/doors/deepgram/recorded.py": 1,  # the same of a recording
    "server/doors/health.py": 1,  # the time that a look at the node's health was taken
    "server/doors/jobs/job_views.py": 1,  # of a job that there is not: it is known to be none at this moment
    "server/doors/openai/sessions.py": 1,  # until when the session lasts that a secret is for, as it is told
    "server/doors/sockets.py": 1,  # the timestamp that a ping shows
    "server/doors/v1/accounts.py": 1,  # whether a key's end is in the future
    "server/doors/v1/download.py": 1,  # the time of an archive's documents
    "server/live.py": 1,  # where in a track that was begun before a restart now is: once a session
    "server/nodes/copies.py": 1,  # for how long nobody asked for a file, as its time says, restarts or not
    "server/recorders.py": 1,  # when a track began
    "server/sound.py": 1,  # whether a file of another second may be told from this one by its time
    "server/store/database.py": 3,  # the name of a damaged database that is put aside
    "server/turn.py": 1,  # until when a TURN server, another machine, takes a client's credentials
}
OF_THE_WALL = {"time", "time_ns", "now", "utcnow", "today", "gmtime", "localtime", "strftime"}


def wall_time_calls(path: Path) -> list[int]:
    """Lines that ask the wall's clock."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        of = node.func.value
        name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
        if node.func.attr in OF_THE_WALL and name in ("time", "datetime", "date"):
            found.append(node.lineno)
    return found


def test_nothing_else_asks_the_clock_on_the_wall() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for room in ("protocol", "media", "asr", "server")
        for path in sorted((ROOT / room).rglob("*.py"))
        if (lines := wall_time_calls(path))
    }
    counted = {path: len(lines) for path, lines in found.items()}
    assert counted == WALL_TIME, f"deadlines and lengths are counted by time.monotonic() or the loop's time: {found}"


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
async def test_a_clock_set_by_an_hour_ends_nothing_and_moves_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    wall = time.time
    ahead_s = 0.0
    monkeypatch.setattr(time, "time", lambda: wall() + ahead_s)
    data = scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 3.0))
    async with (
        running_app(tmp_path, ping_interval_s=1, idle_deadline_s=3, stalled_after_s=3, session_max_s=60) as node,
        node.socket(f"/v1/transcripts_websocket/{(id_ := await node.new_transcript())}") as reader,
        node.socket(f"/v1/transcripts_stream/{id_}") as speaker,
    ):
        await speaker.send({"type": "start", "data": {"events": False}})
        token = (await speaker.until("started"))["data"]["resume_token"]
        await speaker.send(data[:64_000])
        await reader.until("transcription")
        ahead_s = jump_s
        await reader.until("ping")  # deadlines had their time to pass
        await speaker.send({"type": "keepalive"})
        await reader.until("ping")
        assert not speaker.of("error")
        speaker.connection.transport.abort()
        async with node.socket(f"/v1/transcripts_stream/{id_}") as again:
            await again.send({"type": "start", "data": {"events": False, "resume": token}})
            assert (await again.until("started"))["data"]["position"] == 32_000
            await again.send(data[64_000:])
            await again.send({"type": "stop"})
            stopped = (await again.until("stopped"))["data"]
            assert stopped["duration"] == round(len(data) / 32_000, 3)
        async with asyncio.timeout(20):
            await reader.until(lambda message: message["data"].get("status") == "completed")
        assert [message["seq"] for message in reader.messages if "seq" in message] == list(
            range(1, max(message.get("seq", 0) for message in reader.messages) + 1)
        )
        finals = [message["data"] for message in reader.of("transcription") if message["data"]["is_final"]]
        assert [word["text"] for final in finals for word in final["words"]] == ["alpha", "bravo", "charlie"]
        # A record's time is that of its track's beginning and the sound since: no jump in it.
        assert all(
            abs(f["timestamp"] - finals[0]["timestamp"] - (f["start"] - finals[0]["start"])) < 0.01 for f in finals
        )
        assert "stalled" not in {message["data"]["audio"] for message in reader.of("status")[:1]}


def test_ids_hold_no_time() -> None:
    assert len({new_session_id() for _ in range(1000)}) == 1000
