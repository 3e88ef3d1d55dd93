"""The part of a node that keeps sound, for tests: several of them with one store and one bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from media.recorder import DiskWriter, TrackRecorder
from protocol.blocks import Block
from protocol.ids import new_node_id
from server.blobs import Blobs
from server.nodes.duties import Duties
from server.nodes.kept_sound import KeptSound
from server.nodes.sound_pieces import folder_of
from server.settings import Settings
from server.store.records import Track
from server.store.store import Store
from tests.fakes.node import DEADLINE_S, node_settings
from tests.fakes.s3 import S3Server
from tests.media.test_recorder import heard, sound


@dataclass
class KeptNode:
    """The part of one that keeps sound."""

    sound: KeptSound
    blobs: Blobs
    store: Store
    settings: Settings
    node_id: str

    def path(self, track: Track) -> Path:
        return self.sound.recordings.path_of(track)

    async def record(self, track: Track, blocks: list[Block]) -> TrackRecorder:
        """Until all of it is durable."""
        recorder = await self.sound.open(track)
        for block in blocks:
            recorder.append(block)
        async with asyncio.timeout(DEADLINE_S):
            await recorder.wait_durable(blocks[-1].end_samples)
        return recorder

    async def heard(self, track: Track) -> bytes:
        """As a reader of this node hears it."""
        await self.sound.fetch(await self.store.get_track(track.id))
        return await asyncio.to_thread(heard, self.path(track))

    async def end(self, track: Track, recorder: TrackRecorder) -> Track:
        await recorder.close()
        return await self.store.update_track(track.id, state="finished", length_samples=recorder.length_samples)


@asynccontextmanager
async def running_node(
    data_dir: Path,
    store: Store,
    s3: S3Server | None,
    *,
    interval_s: float = 0.02,
    is_ours: Callable[[], bool] = lambda: True,
) -> AsyncIterator[KeptNode]:
    settings = node_settings(data_dir).model_copy(update={"record_remote_interval_s": interval_s})
    settings.recordings_dir.mkdir(parents=True, exist_ok=True)
    place = data_dir / "blobs" if s3 is None else f"{s3.place}/of/earshot"
    blobs = await Blobs.open(place, None if s3 is None else s3.options())
    disk = DiskWriter(write_interval_s=0.005, sync_interval_s=0.02)
    disk.start()
    node_id = new_node_id()
    await store.nodes.join(node_id, url="", keys_digest="k")
    kept = await KeptSound.start(settings, store, disk, blobs, Duties(store.nodes, lambda: node_id), is_ours=is_ours)
    try:
        yield KeptNode(kept, blobs, store, settings, node_id)
    finally:
        await kept.stop()
        await store.nodes.leave(node_id)
        await disk.stop()


async def until_remote(store: Store, track: Track) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not (await store.get_track(track.id)).is_remote:  # noqa: ASYNC110 - a round ends by itself
            await asyncio.sleep(0.01)


def of_track(s3: S3Server, track: Track) -> dict[str, bytes]:
    below = f"of/earshot/{folder_of(track.path)}/"
    return {key.removeprefix(below): data for key, data in s3.objects.items() if key.startswith(below)}


def steps(count: int, *, start: int = 0, length: int = 1600) -> list[Block]:
    return [sound(start + at * length, length) for at in range(count)]
