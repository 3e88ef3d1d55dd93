"""Any mix of appends, interims and readers, compared with a model that is too simple to be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from protocol.events import Event, Interim, Transcribed
from server import subscription
from server.bus import InProcessBus
from server.journal import Journal
from server.store.store import Store
from server.subscription import Subscription
from tests.server.databases import lay_sqlite_file
from tests.server.spoken import final, interim, status


class Reader:
    """A subscription and what came out of it."""

    def __init__(self, reader: Subscription, after: int) -> None:
        self.reader = reader
        self.after = after
        self.seqs: list[int] = []
        self.shown: dict[str, str] = {}  # open segments as this reader's page shows them
        self.closed_segments: set[str] = set()

    async def read(self) -> None:
        self.take(await anext(self.reader))

    async def drain(self) -> None:
        """What waits already."""
        while self.reader.waiting:
            await self.read()

    def take(self, message: Event | Interim) -> None:
        if isinstance(message, Interim):
            segment = message.segment
            assert segment.segment_id not in self.closed_segments, "an interim came after its final"
            self.shown[segment.segment_id] = segment.text
            if not segment.text:
                del self.shown[segment.segment_id]
            return
        self.seqs.append(message.seq)
        if isinstance(message.body, Transcribed):
            self.shown.pop(message.body.segment.segment_id, None)
            self.closed_segments.add(message.body.segment.segment_id)


class JournalMachine(RuleBasedStateMachine):
    """Segments are named by a counter: the open ones are in ``interims``, a closed one never opens again."""

    def __init__(self, runner: asyncio.Runner, store: Store) -> None:
        super().__init__()
        self.runner = runner
        self.store = store
        self.readers: list[Reader] = []
        self.last_seq = 0
        self.segments = 0
        self.interims: dict[str, str] = {}

    def run(self, coroutine: Any) -> Any:
        async def in_time() -> Any:
            async with asyncio.timeout(20):
                return await coroutine

        return self.runner.run(in_time())

    @initialize()
    def begin(self) -> None:
        async def begin() -> None:
            self.made = (await self.store.create_transcript()).id
            self.journal = Journal(self.store, InProcessBus(), commit_interval_s=0.0)
            self.journal.start()

        self.run(begin())

    @rule(count=st.integers(1, 6))
    def append(self, count: int) -> None:
        async def append() -> list[Event]:
            return await asyncio.gather(*(self.journal.append(self.made, status()) for _ in range(count)))

        self.numbered(self.run(append()))

    def numbered(self, events: list[Event]) -> None:
        assert [event.seq for event in events] == list(range(self.last_seq + 1, self.last_seq + 1 + len(events)))
        self.last_seq += len(events)

    @rule(text=st.sampled_from(["a", "b"]), new=st.booleans())
    def speak(self, text: str, new: bool) -> None:
        if new or not self.interims:
            self.segments += 1
            segment_id = f"seg_{self.segments}"
        else:
            segment_id = next(iter(self.interims))
        self.interims[segment_id] = text
        self.tell(segment_id, text)

    def tell(self, segment_id: str, text: str) -> None:
        async def tell() -> None:
            self.journal.tell(interim(self.made, segment_id, text))

        self.run(tell())

    @precondition(lambda self: self.interims)
    @rule()
    def take_back(self) -> None:
        segment_id, _ = self.interims.popitem()
        self.tell(segment_id, "")

    @precondition(lambda self: self.interims)
    @rule(late=st.booleans())
    def finish(self, late: bool) -> None:
        segment_id = next(iter(self.interims))
        del self.interims[segment_id]

        async def finish() -> Event:
            task = asyncio.create_task(self.journal.append(self.made, final(segment_id)))
            if late:
                await asyncio.sleep(0)
                self.journal.tell(interim(self.made, segment_id, "late"))
            return await task

        self.numbered([self.run(finish())])

    @precondition(lambda self: len(self.readers) < 5)
    @rule(data=st.data())
    def subscribe(self, data: st.DataObject) -> None:
        after = data.draw(st.none() | st.integers(0, self.last_seq + 3), label="after")

        async def subscribe() -> None:
            reader = self.journal.subscribe(self.made, after=after, queue_max=100_000)
            self.readers.append(Reader(reader, self.last_seq if after is None else after))

        self.run(subscribe())

    @precondition(lambda self: len(self.readers) < 5)
    @rule(count=st.integers(1, 8), steps=st.integers(0, 30), back=st.integers(0, 8))
    def subscribe_amid_appends(self, count: int, steps: int, back: int) -> None:
        async def run() -> list[Event]:
            tasks = [asyncio.create_task(self.journal.append(self.made, status())) for _ in range(count)]
            for _ in range(steps):
                await asyncio.sleep(0)
            after = max(0, self.last_seq - back)
            reader = Reader(self.journal.subscribe(self.made, after=after, queue_max=100_000), after)
            self.readers.append(reader)
            while len(reader.seqs) < self.last_seq + count - after:
                await reader.read()
            return await asyncio.gather(*tasks)

        self.numbered(self.run(run()))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), count=st.integers(1, 7))
    def read(self, data: st.DataObject, count: int) -> None:
        reader = data.draw(st.sampled_from(self.readers), label="reader")
        self.run(self.read_events(reader, count))

    async def read_events(self, reader: Reader, count: int) -> None:
        """So many more durable events, or what there is."""
        wanted = min(len(reader.seqs) + count, max(0, self.last_seq - reader.after))
        while len(reader.seqs) < wanted:
            await reader.read()

    @precondition(lambda self: self.readers)
    @rule()
    def leave(self) -> None:
        self.readers.pop(0).reader.close()

    def teardown(self) -> None:
        async def finish() -> None:
            for _ in range(4):  # past the readers that wait for a seq from the future
                await self.journal.append(self.made, status())
            self.last_seq += 4
            for reader in self.readers:
                await self.read_events(reader, self.last_seq)
                await reader.drain()
                # A page may have held the last event; the open interims come with the step to live.
                task = asyncio.create_task(reader.read())
                await self.journal.append(self.made, status())
                self.last_seq += 1
                await task
                await self.read_events(reader, self.last_seq)
                await reader.drain()
            for reader in self.readers:
                await self.read_events(reader, self.last_seq)
                assert reader.seqs == list(range(reader.after + 1, self.last_seq + 1))
                assert reader.shown == self.interims
            await self.journal.stop()

        if hasattr(self, "made"):
            self.run(finish())


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(debug=False) as runner:
        yield runner


def test_every_reader_gets_exactly_what_the_model_says(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 3)
    lay_sqlite_file(tmp_path / "earshot.db")
    store = runner.run(Store.open(f"sqlite+aiosqlite:///{tmp_path / 'earshot.db'}"))
    try:
        run_state_machine_as_test(
            lambda: JournalMachine(runner, store),  # type: ignore[arg-type]
            settings=settings(max_examples=30, stateful_step_count=25),
        )
    finally:
        runner.run(store.close())
