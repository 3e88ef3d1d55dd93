"""The bench of lists and the search: a hundred thousand transcripts, on SQLite and on PostgreSQL.

Asked over HTTP of the whole server, one question after the other; beside each search, in the same run, what the
database needs to look through all text for the word (``LIKE``), which is what there would be without an index.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import accumulate

import httpx
import sqlalchemy as sa

from protocol import ids
from protocol.events import EventBody, Transcribed
from protocol.words import Segment, Word
from server.store import events
from server.store.database import transaction
from server.store.records import NewEvent
from server.store.store import Store
from server.store.tables import passages, transcripts
from tests.bench.capacity import say
from tests.bench.figures import Figures, percentile
from tests.bench.node import Node, cores
from tests.server.databases import fresh_postgres

AT_ONCE = 500  # transcripts of one transaction
TOLD_EVERY = 20_000
SEGMENTS = 3
WORDS = 12
VOCABULARY = 20_000  # words, of which the nth comes with a share of 1/n, as in speech
YEAR_S = 365 * 86_400.0
SEED = 7
EMPTY = {"name": "Talk", "state": "ended", "language": "en", "last_seq": 0, "segments": 0, "words": 0}


async def measure(figures: Figures, *, count: int, asked: int) -> None:
    figures.add(listed_transcripts=count, listed_segments=count * SEGMENTS)
    with tempfile.TemporaryDirectory(prefix="earshot-bench-") as folder:
        async with fresh_postgres() as postgres:
            urls = {"sqlite": f"sqlite+aiosqlite:///{folder}/earshot.db", "postgresql": postgres}
            await _fill_all(figures, urls, count)
            for name, url in urls.items():
                await _of(figures, url, name, count=count, asked=asked)
    figures.notes.append(
        f"Transcripts of {SEGMENTS} finals of {WORDS} words each, of {VOCABULARY} words of which the nth comes with a "
        f"share of 1/n, seed {SEED}. The common word is in nearly all of them, the rare one in a few. Both databases "
        "are filled at once, each by a process on a core of its own."
    )
    figures.notes.append(
        "Asked one after the other, over HTTP: the newest fifty, the page in the middle, those that have ended, and "
        "the search; the server on one core, whoever asks and PostgreSQL on the other. LIKE: the database alone, asked "
        "for the same rare word in the text of all."
    )


async def _fill_all(figures: Figures, urls: Mapping[str, str], count: int) -> None:
    say(f"{count} transcripts are made in each database, which takes some minutes")
    pair = cores() or (None, None)
    with ProcessPoolExecutor(len(urls), multiprocessing.get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        filling = [
            loop.run_in_executor(pool, fill, name, url, count, core)
            for (name, url), core in zip(urls.items(), pair, strict=True)
        ]
        for name, spent_s in zip(urls, await asyncio.gather(*filling), strict=True):
            figures.add(**{f"{name}_filled_per_s": count / spent_s})


async def _of(figures: Figures, url: str, name: str, *, count: int, asked: int) -> None:
    words = vocabulary(random.Random(SEED))
    common, rare = words[0], words[VOCABULARY // 2]
    scanned_ms = await _scan(url, rare)
    pair = cores()
    async with Node("scripted", pair[0] if pair else None, database_url=url) as node, node.http() as http:
        questions: dict[str, Callable[[], str]] = {
            "list_newest": lambda: "/v1/transcripts?page=1&size=50",
            "list_middle": lambda: f"/v1/transcripts?page={count // 100}&size=50",
            "list_ended": lambda: "/v1/transcripts?page=1&size=50&status=completed",
            "search_common": lambda: f"/v1/transcripts/search?q={common}",
            "search_rare": lambda: f"/v1/transcripts/search?q={rare}",
            "search_two": lambda: f"/v1/transcripts/search?q={common}+{words[200]}",
        }
        for question, path in questions.items():
            say(f"{name}: {question.replace('_', ' ')}")
            spent_ms = await _asked(http, path, asked)
            figures.add(
                **{
                    f"{name}_{question}_p50_ms": percentile(spent_ms, 50),
                    f"{name}_{question}_p95_ms": percentile(spent_ms, 95),
                }
            )
    figures.add(
        **{
            f"{name}_scan_ms": scanned_ms,
            f"{name}_scan_by_search": scanned_ms / figures.values[f"{name}_search_rare_p50_ms"],
        }
    )


async def _asked(http: httpx.AsyncClient, path: Callable[[], str], count: int) -> list[float]:
    spent_ms = []
    for number in range(count + 2):
        began_s = time.perf_counter()
        answer = await http.get(path())
        if number >= 2:  # the first ones make what the others have
            spent_ms.append((time.perf_counter() - began_s) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path()}: {answer.status_code} {answer.text[:200]}")
    return spent_ms


async def _scan(url: str, word: str) -> float:
    store = await Store.open(url)
    began_s = time.perf_counter()
    async with transaction(store._database.reads) as conn:
        await conn.execute(sa.select(sa.func.count()).where(passages.c.text.like(f"%{word}%")))
    spent_ms = (time.perf_counter() - began_s) * 1000
    await store.close()
    return spent_ms


def fill(name: str, url: str, count: int, core: int | None) -> float:
    """In a process of its own: a database of so many; how many seconds that took."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    began_s = time.perf_counter()
    asyncio.run(_fill(name, url, count))
    return time.perf_counter() - began_s


def vocabulary(chance: random.Random) -> Sequence[str]:
    """The commonest words first."""
    return ["".join(chance.choices("abcdefghiklmnoprstu", k=chance.randint(3, 9))) for _ in range(VOCABULARY)]


async def _fill(name: str, url: str, count: int) -> None:
    chance = random.Random(SEED)
    words = vocabulary(chance)
    shares = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    store = await Store.open(url)
    async with store._database.patient() as engine:
        for begun in range(0, count, AT_ONCE):
            now = 1_700_000_000.0 + YEAR_S * begun / count
            if begun % TOLD_EVERY == 0 and begun:
                say(f"{name}: {begun}")
            async with transaction(engine) as conn:
                made = [
                    {
                        **EMPTY,
                        "id": ids.new_transcript_id(),
                        "created_at": now + at,
                        "updated_at": now,
                        "change_seq": at,
                    }
                    for at in range(begun, min(begun + AT_ONCE, count))
                ]
                await conn.execute(sa.insert(transcripts), made)  # one by one it would take an hour
                batch = [
                    NewEvent.of(str(row["id"]), _said(at, chance.choices(words, cum_weights=shares, k=WORDS)))
                    for row in made
                    for at in range(SEGMENTS)
                ]
                await events.append(conn, batch, now=now, again=False)
    if engine.dialect.name == "postgresql":
        async with engine.connect() as plain:
            conn = await plain.execution_options(isolation_level="AUTOCOMMIT")
            await conn.exec_driver_sql("ANALYZE")
    await store.close()


def _said(at: int, texts: Sequence[str]) -> EventBody:
    words = tuple(
        Word(text=text, start_samples=16_000 * number, end_samples=16_000 * (number + 1))
        for number, text in enumerate(texts)
    )
    segment = Segment(
        segment_id=f"seg_{at:016x}",
        track="t",
        text=" ".join(texts),
        start_samples=0,
        end_samples=16_000 * WORDS,
        words=words,
        is_final=True,
    )
    return Transcribed(segment=segment, track_started_at=1_700_000_000.0)
