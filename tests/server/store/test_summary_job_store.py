"""Summaries that somebody asked for, in the database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from protocol.errors import NotFound, Overloaded
from protocol.ids import new_transcript_id
from protocol.states import SummaryState
from server.store.erasure import erase_made
from server.store.job_tables import summary_jobs
from server.store.standing import SHARE_MIN, Standing
from server.store.store import Store
from server.store.summary_job_store import ClaimedJob, SummaryJob

LEASE_S = 60.0
BODY = '{"said": "\\u0000"}'


async def asked(
    store: Store,
    owner: str | None = "anna",
    *,
    transcript_id: str | None = None,
    waiting_max: int = 9,
    kept_max: int = 9,
) -> SummaryJob:
    return await store.summary_jobs.ask(
        owner, BODY, transcript_id=transcript_id, waiting_max=waiting_max, kept_max=kept_max
    )


def of(job: SummaryJob, attempts: int = 0) -> ClaimedJob:
    """As whoever began it so often has it."""
    return ClaimedJob(job.id, job.transcript_id, BODY, attempts)


async def test_one_is_asked_for_claimed_and_finished(store: Store) -> None:
    job = await asked(store)
    assert (job.state, job.progress, job.result, job.attempts) == (SummaryState.PROCESSING, 0, None, 0)
    later = await asked(store)
    claimed = await store.summary_jobs.claim(lease_s=LEASE_S)
    assert claimed is not None
    assert (claimed.id, claimed.body, claimed.attempts) == (job.id, BODY, 1)
    assert await store.summary_jobs.renew(claimed, progress=50, lease_s=LEASE_S)
    assert (await store.summary_jobs.get(job.id)).progress == 50
    await store.summary_jobs.finish(claimed, {"summary": "s"})
    for _ in range(2):  # the second time changes nothing
        made = await store.summary_jobs.get(job.id)
        assert (made.state, made.progress, made.result, made.error) == (
            SummaryState.COMPLETED,
            100,
            {"summary": "s"},
            None,
        )
        await store.summary_jobs.fail(claimed, {"code": "X"})
        assert not await store.summary_jobs.renew(claimed, progress=1, lease_s=LEASE_S)
    next_one = await store.summary_jobs.claim(lease_s=LEASE_S)
    assert next_one is not None
    assert next_one.id == later.id
    await store.summary_jobs.fail(next_one, {"code": "X", "message": "m", "details": {}})
    failed = await store.summary_jobs.get(later.id)
    assert (failed.state, failed.error) == (SummaryState.FAILED, {"code": "X", "message": "m", "details": {}})
    assert await store.summary_jobs.claim(lease_s=LEASE_S) is None
    async with store._read() as conn:
        assert set((await conn.execute(sa.select(summary_jobs.c.body))).scalars()) == {""}
    with pytest.raises(NotFound):
        await store.summary_jobs.get(new_transcript_id())


async def test_one_whose_maker_is_gone_is_anothers_when_the_lease_ends(store: Store) -> None:
    job = await asked(store)
    first = await store.summary_jobs.claim(lease_s=LEASE_S)
    assert first is not None
    assert await store.summary_jobs.claim(lease_s=LEASE_S) is None
    await store.summary_jobs.renew(first, progress=0, lease_s=0.5)  # each look at the clock takes it a second further
    again = await store.summary_jobs.claim(lease_s=LEASE_S)
    assert again is not None
    assert again.attempts == 2
    # Whoever had it, and was only slow, changes nothing any more.
    assert not await store.summary_jobs.renew(first, progress=99, lease_s=LEASE_S)
    await store.summary_jobs.fail(first, {"code": "X"})
    await store.summary_jobs.give_back(first)
    now = await store.summary_jobs.get(job.id)
    assert (now.state, now.attempts, now.progress) == (SummaryState.PROCESSING, 2, 0)
    await store.summary_jobs.give_back(again)
    given = await store.summary_jobs.claim(lease_s=LEASE_S)
    assert given is not None
    assert given.attempts == 2


async def test_a_start_takes_up_what_was_being_made_where_nobody_else_can(store: Store) -> None:
    await asked(store)
    await store.summary_jobs.claim(lease_s=LEASE_S)
    await store.summary_jobs.give_back_of_dead()
    is_alone = store._database.writes.dialect.name == "sqlite"
    assert (await store.summary_jobs.claim(lease_s=LEASE_S) is not None) is is_alone


async def test_so_many_wait_and_of_one_owner_fewer(store: Store) -> None:
    for _ in range(SHARE_MIN):
        await asked(store, "anna", waiting_max=SHARE_MIN + 1)
    with pytest.raises(Overloaded, match="wait already"):
        await asked(store, "anna", waiting_max=SHARE_MIN + 1)
    last = await asked(store, "bert", waiting_max=SHARE_MIN + 1)
    with pytest.raises(Overloaded) as told:
        await asked(store, None, waiting_max=SHARE_MIN + 1)
    assert told.value.retry_after_s
    await store.summary_jobs.finish(of(last), {})
    assert await asked(store, None, waiting_max=SHARE_MIN + 1)


async def test_of_an_owner_so_many_are_kept_and_none_for_ever(store: Store) -> None:
    made = []
    for owner in ("anna", "bert", "anna", "anna"):
        made.append(await asked(store, owner, kept_max=2))
        await store.summary_jobs.finish(of(made[-1]), {})
    with pytest.raises(NotFound):
        await store.summary_jobs.get(made[0].id)
    for each in made[1:]:
        assert await store.summary_jobs.get(each.id)
    waiting = await asked(store, "carl")
    assert await store.summary_jobs.delete_old(kept_s=1000) == 0
    assert await store.summary_jobs.delete_old(kept_s=0) == 3
    assert await store.summary_jobs.get(waiting.id)


async def test_one_goes_into_the_bin_with_its_transcript_and_for_good(store: Store) -> None:
    transcript_id = (await store.create_transcript(owner="anna")).id
    job = await asked(store, "bert", transcript_id=transcript_id)
    other = await asked(store, "bert")
    assert await store.standing("summary", job.id) == await store.standing("summary", other.id) == Standing("bert")
    await store.delete_transcript(transcript_id)
    assert await store.standing("summary", job.id) == Standing("bert", "private", True)
    await store.destroy_transcript(transcript_id)
    assert await store.standing("summary", job.id) is None
    assert await store.standing("summary", other.id) == Standing("bert")


async def test_one_goes_with_words_of_its_transcript_that_are_taken_back(store: Store) -> None:
    transcript_id = (await store.create_transcript(owner="anna")).id
    job, other = await asked(store, "anna", transcript_id=transcript_id), await asked(store, "anna")
    async with store._write() as conn:
        await erase_made(conn, transcript_id)
    assert await store.standing("summary", job.id) is None
    assert await store.standing("summary", other.id) == Standing("anna")
    await store.summary_jobs.finish(of(job), {})  # it was being made just then
