"""Locks that hold between processes of one folder, and end with the process that has them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from server.nodes.folder_locks import FolderLocks

DEADLINE_S = 60.0
HOLDS_IT = """
import asyncio, sys
from pathlib import Path
from server.nodes.folder_locks import FolderLocks

async def main():
    async with FolderLocks(Path(sys.argv[1])).of("a"):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_another_process_is_waited_for_and_only_for_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "some.lock"
    locks = FolderLocks(path)
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDS_IT, str(path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            assert await other.stdout.readline() == b"held\n"
            async with locks.of("b"):
                pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), locks.of("a"):
                pass
    finally:
        other.kill()
        await other.communicate()
    async with asyncio.timeout(DEADLINE_S), locks.of("a"), locks.of("b"):
        pass
    locks.close()
    locks.close()


async def test_within_a_process_one_waits_for_the_other(tmp_path: Path) -> None:
    locks = FolderLocks(tmp_path / "some.lock")
    order: list[str] = []

    async def hold(name: str) -> None:
        async with locks.of("a"):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(hold("one"), hold("two"))
    assert order == ["one begins", "one ends", "two begins", "two ends"]
    locks.close()
