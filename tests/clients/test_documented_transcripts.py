"""What docs/transcripts.md shows: the record as it is answered, and the program that keeps a copy."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from server.doors.v1.documents import TranscriptFormat
from server.doors.v1.transcript_bodies import ChangeTranscript, CreateTranscript
from tests.fakes.documented import DOCS, documented
from tests.fakes.running_app import running_app

ADDRESS = "http://localhost:8000"


@pytest.mark.process
async def test_the_copy_is_kept_and_the_record_is_as_shown(tmp_path: Path) -> None:
    async with running_app(tmp_path / "data") as node:
        made = [await node.http.post("/v1/transcripts/", json={"name": name}) for name in ("a", "b", "c")]
        await node.http.delete(made[1].headers["location"])
        script = documented("transcripts.md", "sync").replace(ADDRESS, f"http://127.0.0.1:{node.port}")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script), env={**os.environ, "no_proxy": "*"}, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
        assert (process.returncode, printed.decode().strip()) == (0, "['a', 'c']")
        shown = json.loads(documented("transcripts.md", "record"))
        answered = made[0].json()
        assert list(shown) == list(answered)
        for name in shown.keys() - {"data"}:
            assert answered[name] is None or shown[name] is None or type(answered[name]) is type(shown[name]), name


def test_every_field_and_form_is_named() -> None:
    text = (DOCS / "transcripts.md").read_text()
    for name in (*ChangeTranscript.model_fields, *CreateTranscript.model_fields, *map(str, TranscriptFormat)):
        assert f"`{name}`" in text, name
