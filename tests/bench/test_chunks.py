from __future__ import annotations

from pathlib import Path

from server.services import Services
from tests.bench.chunks import UNLIMITED, Kiosks
from tests.fakes.node import node_settings
from tests.fakes.running_app import in_process


async def test_a_few_conversations_are_recorded_and_counted(tmp_path: Path) -> None:
    settings = node_settings(tmp_path, **UNLIMITED)
    services = await Services.start(settings)
    try:
        async with in_process(settings, services) as client:
            kiosks = Kiosks(client, 2)
            await kiosks.begin()
            await kiosks.record(3)
            assert kiosks.failed == []
            assert len(kiosks.put_s) == 6
            kiosks.project = "none"
            await kiosks.record(1)
            assert len(kiosks.failed) == 1
    finally:
        await services.stop()
