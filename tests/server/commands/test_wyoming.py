"""``earshot wyoming`` as it is typed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.fakes.running_app import DEADLINE_S

ROOT = Path(__file__).parents[3]


async def test_it_says_where_it_listens_and_answers_there(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "wyoming", "--port", "0", "--server", "http://127.0.0.1:9"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "*", "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            told = (await process.stdout.readline()).decode()
            port = int(told.partition("127.0.0.1:")[2].partition(",")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b'{"type": "ping", "data": {"text": "you"}}\n')
            assert b'"pong"' in await reader.readline()
            writer.close()
            await writer.wait_closed()
    finally:
        process.terminate()
        await process.wait()
