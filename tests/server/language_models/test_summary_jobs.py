"""Summaries made in the background: through crashes and restarts, and whatever goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from protocol import errors
from protocol.errors import EarshotError, StoreUnavailable
from protocol.states import SummaryState
from server.language_models import summary_jobs as summary_jobs_module
from server.language_models.extractive import EXTRACTIVE
from server.language_models.summary_jobs import ATTEMPTS_MAX, SummaryJobs, Wanted, failure_of
from server.services import Services
from server.store.summary_job_store import SummaryJob
from tests.fakes.language_model import KEY, LanguageModelServer
from tests.fakes.node import running_services
from tests.fakes.server_process import ServerProcess
from tests.server.projects.test_chunks import begun

SEGMENTS = tuple((at * 16_000, at * 16_000 + 8000, "Anna", f"The roof of house {at} leaks.") for at in range(9))
WANTED = Wanted("paragraph", 50, EXTRACTIVE, segments=SEGMENTS)


def configured(server: LanguageModelServer, **options: Any) -> dict[str, Any]:
    return {"llm_base_url": server.url, "llm_api_key": KEY, "llm_deadline_s": 20, **options}


async def ended(services: Services, job_id: str) -> SummaryJob:
    async with asyncio.timeout(60):
        while True:
            job = await services.store.summary_jobs.get(job_id)
            if job.state is not SummaryState.PROCESSING:
                return job
            await asyncio.sleep(0.01)


async def stopped(services: Services) -> SummaryJobs:
    """Its jobs, with nobody who makes them but the test."""
    jobs = services.language_models.summary_jobs
    await jobs.stop()
    return jobs


def test_what_is_wanted_is_kept_as_it_is() -> None:
    for wanted in (
        WANTED,
        Wanted("key_points", 1, "m", transcript_id="t"),
        Wanted("paragraph", 1, "m", text="\ud83d\0\n"),
    ):
        assert Wanted.from_text(wanted.to_text()) == wanted


async def test_one_is_made_and_its_words_are_not_kept(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        jobs = services.language_models.summary_jobs
        job = await ended(services, (await jobs.ask("anna", WANTED)).id)
        assert job.result is not None
        assert (job.owner, job.result["model_used"], jobs.progress_of(job)) == ("anna", EXTRACTIVE, 100)
        assert "roof" in job.result["summary"]
        assert "house" in job.result["topics"]


async def test_of_a_transcript_and_of_a_text(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        jobs, id_ = services.language_models.summary_jobs, await begun(services)
        await services.chunks.typed(id_, "The roof of the school leaks.", said_at=None, source="PORTAL_TEXT")
        for wanted in (
            Wanted("bullet_points", 50, EXTRACTIVE, transcript_id=id_),
            Wanted("bullet_points", 50, EXTRACTIVE, text="The roof of the school leaks."),
            Wanted("bullet_points", 50, EXTRACTIVE, segments=((0, 1, "", " "),), text="The roof of the school leaks."),
        ):
            job = await ended(services, (await jobs.ask(None, wanted)).id)
            assert job.result is not None
            assert job.result["summary"] == "- The roof of the school leaks."
        await stopped(services)
        gone = await jobs.ask(None, Wanted("paragraph", 50, EXTRACTIVE, transcript_id=id_))
        await services.store.delete_transcript(id_)
        await jobs.make_all()
        failed = await services.store.summary_jobs.get(gone.id)
        assert failure_of(failed).code == "NOT_FOUND"


async def test_a_model_that_fails_is_told_and_hinders_no_other(tmp_path: Path, server: LanguageModelServer) -> None:
    async with running_services(tmp_path, **configured(server)) as services:
        jobs = await stopped(services)
        server.faults.append("refused")
        with structlog.testing.capture_logs() as logs:
            bad = await jobs.ask(None, Wanted("paragraph", 50, "small", segments=SEGMENTS))
            good = await jobs.ask(None, Wanted("paragraph", 50, "small", segments=SEGMENTS))
            await jobs.make_all()
        failed, made = [await services.store.summary_jobs.get(each.id) for each in (bad, good)]
        error = failure_of(failed)
        assert (type(error), error.http_status) == (errors.LanguageModelRefused, 502)
        assert made.result is not None
        assert made.result["model_used"] == "small"
        assert "leaks" not in str(logs)
        assert KEY not in str(logs)


async def test_what_nobody_foresaw_ends_in_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of the test")

    monkeypatch.setattr(summary_jobs_module, "lines_wanted", fail)
    async with running_services(tmp_path) as services:
        job = await ended(services, (await services.language_models.summary_jobs.ask(None, WANTED)).id)
        assert (job.state, failure_of(job).code) == (SummaryState.FAILED, "INTERNAL_ERROR")


async def test_an_end_of_the_server_only_delays_it(tmp_path: Path, server: LanguageModelServer) -> None:
    server.hold = asyncio.Event()
    wanted = Wanted("paragraph", 50, "small", segments=SEGMENTS)
    async with running_services(tmp_path, **configured(server)) as services:
        job = await services.language_models.summary_jobs.ask(None, wanted)
        await server.came.wait()
    assert server.left.is_set()  # nobody waits for that answer any more
    server.hold.set()
    async with running_services(tmp_path, **configured(server)) as services:
        made = await ended(services, job.id)
        assert (made.state, made.attempts) == (SummaryState.COMPLETED, 1)


async def test_one_that_ends_the_server_again_and_again_is_given_up(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        jobs, store = await stopped(services), services.store.summary_jobs
        job = await jobs.ask(None, WANTED)
        for _ in range(ATTEMPTS_MAX):
            assert await store.claim(lease_s=60) is not None
            await store.give_back_of_dead()
        await jobs.make_all()
        assert "too often" in str(failure_of(await store.get(job.id)))


async def test_a_store_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_services(tmp_path) as services:
        jobs, store = await stopped(services), services.store.summary_jobs
        job = await jobs.ask(None, WANTED)

        async def away(*_: object) -> None:
            raise StoreUnavailable("of the test")

        with monkeypatch.context() as broken:
            broken.setattr(store, "finish", away)
            with pytest.raises(StoreUnavailable):
                await jobs.make_all()
        assert (await store.get(job.id)).state is SummaryState.PROCESSING
        await store.give_back_of_dead()
        await jobs.make_all()
        assert (await store.get(job.id)).state is SummaryState.COMPLETED


async def test_progress_counts_the_parts(tmp_path: Path, server: LanguageModelServer) -> None:
    long = tuple((0, 1, "", f"Sentence {at} is about house {at} and the rain on its roof.") for at in range(400))
    wanted = Wanted("paragraph", 50, "small", segments=long)
    async with running_services(tmp_path, **configured(server, llm_context_tokens=2048)) as services:
        jobs = await stopped(services)
        seen: set[int] = set()
        job = await jobs.ask(None, wanted)

        def reply(_messages: object) -> str:
            seen.add(jobs.progress_of(job))
            return "notes"

        server.reply = reply
        await jobs.make_all()
        assert min(seen) == 0
        assert max(seen) < 100
        assert len(seen) > 3
        assert jobs.progress_of(await services.store.summary_jobs.get(job.id)) == 100


async def test_old_ones_are_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_services(tmp_path) as services:
        jobs = services.language_models.summary_jobs
        job = await ended(services, (await jobs.ask(None, WANTED)).id)
        await jobs.sweep()
        assert await services.store.summary_jobs.get(job.id)
        monkeypatch.setattr(summary_jobs_module, "DAY_S", 0.0)
        await jobs.sweep()
        with pytest.raises(EarshotError, match="no such summary"):
            await services.store.summary_jobs.get(job.id)


@pytest.mark.process
async def test_a_job_survives_a_killed_server(tmp_path: Path, server: LanguageModelServer) -> None:
    server.hold = asyncio.Event()
    body = {"transcript": [{"start": 0, "end": 1, "text": "The roof leaks."}], "model_name": "small"}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60))
        async with ServerProcess(tmp_path / "data", **configured(server)) as node:
            started = await http.post(f"{node.url}/api/summary/", json=body)
            assert started.status_code == 200, started.text
            id_ = started.json()["job_id"]
            await server.came.wait()
            assert (await http.get(f"{node.url}/api/summary/status/{id_}")).json()["status"] == "processing"
            await node.kill()
        server.hold.set()
        async with ServerProcess(tmp_path / "data", **configured(server)) as node, asyncio.timeout(60):
            while True:  # as a client asks
                made = await http.get(f"{node.url}/api/summary/{id_}")
                if made.status_code != 409:
                    break
                await asyncio.sleep(0.05)
        assert made.json()["summary"].startswith("You said:")
        assert "roof" not in node.log
        assert KEY not in node.log
