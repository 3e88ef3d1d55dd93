"""Any mix of uploads, repetitions, deletions and crashes, compared with a model that is too simple to be wrong.

A crash is what ``kill -9`` leaves: the node that goes on has the files as they were in one moment, and nothing else
of the one before. It comes at any step, also within a request; whoever asked then asks once more, as kiosks do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from protocol.errors import BadInput, Conflict
from protocol.states import ChunkState
from server.hub import Hub
from server.services import Services
from tests.fakes.node import node_settings, running_services
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.databases import lay_sqlite_file
from tests.server.projects.test_chunk_removal import a_moment
from tests.server.projects.test_chunks import begun, ended, uploaded

WORDS = ("alpha", "bravo", "river", "papa", "window", "never")
Kind = Literal["sound", "tiny", "broken"]
AFTER = st.sampled_from([None, None, None, *range(0, 60, 7)])  # so many steps of a request, if at all
STEP_S = 10.0  # between what is said


def pcm(text: str) -> bytes:
    return scripted_sound(sentence(text, 0.1), length_s=0.8)


BYTES: dict[Kind, Callable[[str], bytes]] = {
    "sound": lambda text: wav_of(pcm(text)),
    "tiny": lambda text: b"x" * 100,
    "broken": lambda text: b"no sound at all " * 100,
}


class World:
    """The node of the moment and where it lies. Starting one takes a while: examples share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lives = 0
        self.services: Services | None = None

    @property
    def data_dir(self) -> Path:
        return self.folder / str(self.lives)

    @property
    def node(self) -> Services:
        assert self.services is not None
        return self.services

    async def start(self) -> None:
        lay_sqlite_file(self.data_dir / "earshot.db")
        self.services = await Services.start(node_settings(self.data_dir))

    async def crash(self, *asked: asyncio.Future[Any]) -> None:
        """``asked``: requests that nobody will hear the answers of."""
        dead, before = self.node, self.data_dir
        self.lives += 1
        copy_in_one_moment(before, self.data_dir)
        await asyncio.gather(*asked, return_exceptions=True)
        await dead.stop()
        await asyncio.to_thread(shutil.rmtree, before)
        await self.start()


def copy_in_one_moment(source: Path, target: Path) -> None:
    """Blocks the event loop, so that threads run out of work; what they changed meanwhile is copied once more."""
    while True:
        before = seen(source)
        shutil.copytree(source, target, ignore_dangling_symlinks=True)
        if seen(source) == before:
            return
        shutil.rmtree(target)


def seen(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            if not name.endswith("-shm"):  # of whoever reads the database; it is made anew
                stat = (Path(path) / name).stat()
                found[f"{path}/{name}"] = (stat.st_size, stat.st_mtime_ns)
    return found


@dataclass
class Said:
    """What the model knows of a chunk."""

    id: str
    key: str | None
    kind: Kind | Literal["typed"]
    text: str
    at_s: float
    is_put: bool = False
    is_confirmed: bool = False
    is_deleted: bool = False

    @property
    def words(self) -> str:
        is_there = self.is_confirmed and not self.is_deleted and self.kind in ("sound", "typed")
        return self.text if is_there else ""


class ChunkMachine(RuleBasedStateMachine):
    def __init__(self, runner: asyncio.Runner, world: World) -> None:
        super().__init__()
        self.runner = runner
        self.world = world
        self.said: list[Said] = []
        self.is_finished = False
        self.taken: set[int] = set()

    def run(self, coroutine: Any) -> Any:
        async def in_time() -> Any:
            async with asyncio.timeout(30):
                return await coroutine

        return self.runner.run(in_time())

    async def asked(self, ask: Callable[[], Awaitable[Any]], crash_after: int | None) -> Any:
        """The answer; with a crash after so many steps, the answer to asking again."""
        if crash_after is None:
            return await ask()
        first = asyncio.ensure_future(ask())
        for _ in range(crash_after):
            await asyncio.sleep(0)
        await self.world.crash(first)
        return await ask()

    @property
    def unconfirmed(self) -> list[Said]:
        return [each for each in self.said if each.is_put and not each.is_confirmed and not each.is_deleted]

    @initialize()
    def begin(self) -> None:
        async def begin() -> None:
            self.id = await begun(self.world.node)
            self.began_at = (await self.world.node.store.conversations.get(self.id)).created_at

        self.run(begin())

    @rule(data=st.data(), kind=st.sampled_from(["sound", "sound", "sound", "tiny", "broken"]))
    def upload(self, data: st.DataObject, kind: Kind) -> None:
        text = data.draw(st.sampled_from(WORDS))
        place = data.draw(st.integers(1, 200).filter(lambda n: n not in self.taken))
        self.taken.add(place)

        async def upload() -> None:
            chunks = self.world.node.chunks
            chunk, _ = await chunks.announce(self.id, filename="a", content_type="audio/wav", source="PORTAL_AUDIO")
            said = Said(chunk.id, chunk.key, kind, text, self.began_at - STEP_S * place)
            with pytest.raises(BadInput):
                await chunks.confirm(self.id, chunk.id, said_at=said.at_s)  # before it is there
            await self.put(said)
            self.said.append(said)

        self.run(upload())

    async def put(self, said: Said) -> None:
        assert said.key is not None
        assert said.kind != "typed"
        await self.world.node.blobs.put(said.key, BYTES[said.kind](said.text))
        said.is_put = True

    @precondition(lambda self: self.unconfirmed)
    @rule(data=st.data(), crash_after=AFTER)
    def confirm(self, data: st.DataObject, crash_after: int | None) -> None:
        said = data.draw(st.sampled_from(self.unconfirmed))

        async def confirm() -> Any:
            return await self.world.node.chunks.confirm(self.id, said.id, said_at=said.at_s)

        self.run(self.asked(confirm, crash_after))
        said.is_confirmed = True

    @precondition(lambda self: any(each.is_confirmed and each.kind != "typed" for each in self.said))
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """All of it, as after an answer that was lost; at another time, which changes nothing."""
        said = data.draw(st.sampled_from([each for each in self.said if each.is_confirmed and each.kind != "typed"]))

        async def repeat() -> None:
            await self.put(said)
            try:
                await self.world.node.chunks.confirm(self.id, said.id, said_at=self.began_at)
                assert not said.is_deleted
            except Conflict:
                assert said.is_deleted

        self.run(repeat())

    @rule(text=st.sampled_from(WORDS), place=st.integers(201, 300))
    def type_words(self, text: str, place: int) -> None:
        if place in self.taken:
            return
        self.taken.add(place)
        at_s = self.began_at - STEP_S * place

        async def type_words() -> None:
            chunk = await self.world.node.chunks.typed(self.id, text, said_at=at_s, source="PORTAL_TEXT")
            self.said.append(Said(chunk.id, None, "typed", text, at_s, True, True))

        self.run(type_words())

    @precondition(lambda self: self.said)
    @rule(data=st.data(), crash_after=AFTER)
    def delete(self, data: st.DataObject, crash_after: int | None) -> None:
        said = data.draw(st.sampled_from(self.said))

        async def delete() -> None:
            await self.world.node.chunks.delete(self.id, said.id)

        try:
            self.run(self.asked(delete, crash_after))
            said.is_deleted = True
        except Conflict:
            assert self.is_finished
            assert not said.is_deleted

    @rule(surplus=st.integers(0, 1), crash_after=AFTER)
    def finish(self, surplus: int, crash_after: int | None) -> None:
        async def finish() -> None:
            await self.world.node.chunks.finish(self.id, expected_chunks=len(self.said) + surplus)

        self.run(self.asked(finish, crash_after))
        self.is_finished = True

    @rule(steps=st.integers(0, 300))
    def crash(self, steps: int) -> None:
        async def crash() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)
            await self.world.crash()

        self.run(crash())

    def teardown(self) -> None:
        if hasattr(self, "began_at"):
            self.run(self.end())
            self.run(self.be_late())

    async def end(self) -> None:
        chunks = self.world.node.chunks
        for said in self.unconfirmed:
            await chunks.confirm(self.id, said.id, said_at=said.at_s)
            said.is_confirmed = True
        await chunks.finish(self.id, expected_chunks=0)
        await self.compare()

    async def be_late(self) -> None:
        chunks = self.world.node.chunks
        chunk, _ = await chunks.announce(self.id, filename="a", content_type="audio/wav", source="PORTAL_AUDIO")
        late = Said(chunk.id, chunk.key, "sound", "alpha bravo", self.began_at)
        await self.put(late)
        await chunks.confirm(self.id, late.id, said_at=late.at_s)
        late.is_confirmed = True
        self.said.append(late)
        await self.compare()

    async def compare(self) -> None:
        node = self.world.node
        store = node.store.conversations
        while (await store.get(self.id)).closed_at is None or await store.to_erase(limit=1):
            await a_moment(node)
        in_order = sorted((each for each in self.said if not each.is_deleted), key=lambda each: each.at_s)
        chunks = [each for each in await store.chunks_of(self.id) if each.said_at is not None]
        assert [each.id for each in chunks] == [each.id for each in in_order if each.is_confirmed]
        there = {each.id: each for each in chunks}
        for each in in_order:
            expected = ChunkState.TRANSCRIBED if each.words else ChunkState.FAILED
            assert there[each.id].state is expected, there[each.id].error
        found = await node.store.segments_of(self.id, offset=0, limit=1000)
        assert " ".join(each.segment.text for each in found) == " ".join(filter(None, (e.words for e in in_order)))
        spoken = {there[each.id].track_id: len(pcm(each.text)) // 2 for each in in_order if each.kind == "sound"}
        lengths = {track.id: track.length_samples for track in await node.store.tracks_of(self.id)}
        typed = {there[each.id].track_id: 0 for each in in_order if each.kind == "typed"}
        assert lengths == spoken | typed


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(debug=False) as runner:
        yield runner


def test_whatever_happens_the_words_and_the_sound_are_those_of_the_model(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    world = World(tmp_path)

    class Machine(ChunkMachine):
        def __init__(self) -> None:
            super().__init__(runner, world)

    runner.run(world.start())
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=max(1, settings().max_examples // 20), stateful_step_count=9),
        )
    finally:
        runner.run(world.node.stop())


@pytest.mark.parametrize("step", ["_tell_begun", "_open"])
async def test_a_crash_between_the_track_and_its_file_loses_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The transcript may not even have begun then, and is not recovered."""
    there, on = asyncio.Event(), asyncio.Event()
    go_on = getattr(Hub, step)

    async def wait(self: Hub, *arguments: Any, **more: Any) -> Any:
        there.set()
        await on.wait()
        return await go_on(self, *arguments, **more)

    async with running_services(tmp_path / "before") as services:
        with monkeypatch.context() as patched:
            patched.setattr(Hub, step, wait)
            id_ = await begun(services)
            chunk = await uploaded(services, id_, "alpha bravo")
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            await there.wait()
            copy_in_one_moment(tmp_path / "before", tmp_path / "after")
        on.set()
    async with running_services(tmp_path / "after") as services:
        await services.chunks.finish(id_)
        assert await ended(services, id_) == "alpha bravo"
        assert [each.id for each in await services.store.tracks_of(id_)] == [chunk.track_id]
