"""``earshot bot simulate`` plays a meeting to a real server, and shows what was understood."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.commands.failure import CommandFailed
from tests.fakes.running_app import DEADLINE_S, running_app
from tests.fakes.scripted_sound import scripted_sound
from tests.fakes.wav import wav_of

ROOT = Path(__file__).parents[3]


def recording(folder: Path, name: str, word: str) -> str:
    path = folder / f"{name}.wav"
    path.write_bytes(wav_of(scripted_sound([(word, 0.5)], length_s=1.5)))
    return str(path)


async def run(folder: Path, *given: str) -> str:
    """What it writes, in a process of its own, once it is done."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", *given),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        told, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return told.decode()


@pytest.mark.parametrize("dialect", ["recall", "attendee", "legacy"])
async def test_a_meeting_is_played(tmp_path: Path, dialect: str) -> None:
    parts = [f"{recording(tmp_path, 'ada', 'alpha')},name=Ada", f"{recording(tmp_path, 'ben', 'bravo')},at=1.5"]
    async with running_app(tmp_path / "data") as node:
        url = f"http://127.0.0.1:{node.port}"
        given = "bot", "simulate", *parts, "--server", url, "--dialect", dialect, "--reconnect", "1.4"
        told = await run(tmp_path, *given)
        lines = [line.split(maxsplit=1) for line in told.splitlines() if line.strip()]
        said = [text.rpartition(": ")[2] for _, text in lines]
        assert said == ["alpha", "bravo"]
        if dialect != "legacy":  # which has no times of its own: a word is where it arrived
            assert [float(at_s) for at_s, _ in lines] == pytest.approx([0.5, 2.0], abs=0.05)
        if dialect == "recall":
            assert lines[0][1].startswith("Ada")
        [bot] = (await node.http.get("/api/v1/bot/")).json()["results"]
        assert bot["left_at"]
        assert len(await node.services.store.tracks_of(bot["recordings"][0]["id"])) == 2


async def test_many_at_once(tmp_path: Path) -> None:
    part = recording(tmp_path, "ada", "alpha")
    async with running_app(tmp_path / "data") as node:
        given = "bot", "simulate", part, "--server", f"http://127.0.0.1:{node.port}", "--bots", "3"
        told = await run(tmp_path, *given)
        assert sorted(told.splitlines()) == [f"bot {number}: 1 words" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("part", "says"), [("gone.wav", "There is no file gone.wav"), ("gone.wav,at=x", "at takes seconds, not 'x'")]
)
def test_what_cannot_be_played_is_told(part: str, says: str) -> None:
    result = CliRunner().invoke(app, ["bot", "simulate", part])
    assert isinstance(result.exception, CommandFailed)
    assert says in result.exception.message


def test_what_is_no_sound_is_told_before_anybody_is_registered(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no sound")
    result = CliRunner().invoke(app, ["bot", "simulate", str(path), "--server", "http://127.0.0.1:9"])
    assert isinstance(result.exception, CommandFailed)
    assert "notes.txt: " in result.exception.message


def test_no_server(tmp_path: Path) -> None:
    part = recording(tmp_path, "ada", "alpha")
    result = CliRunner().invoke(app, ["bot", "simulate", part, "--server", "http://127.0.0.1:9"])
    assert isinstance(result.exception, CommandFailed)
    assert "does not answer" in result.exception.message
