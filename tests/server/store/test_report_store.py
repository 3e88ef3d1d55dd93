"""Reports, subscriptions and what is due, as they are kept."""

from __future__ import annotations

import pytest

from protocol.errors import Conflict, IllegalMove, NotFound
from protocol.states import ReportState
from server.store.report_records import KeptDigest
from server.store.store import Store
from tests.server.store.test_project_store import made


async def begun(store: Store, project_id: str) -> str:
    return (await store.conversations.begin(project_id, name="", email=None, tags=(), source="PORTAL_AUDIO")).id


async def test_a_report_goes_its_way_and_digests_come_back_in_order(store: Store) -> None:
    project, other = await made(store, "1"), await made(store, "2")
    ids = [await begun(store, project.id) for _ in range(2)]
    report, is_new = await store.reports.ask(project.id, is_published=False, reports_max=1)
    assert (is_new, report.conversations, report.state) == (True, 2, ReportState.QUEUED)
    assert await store.reports.ask(project.id, is_published=True, reports_max=1) == (report, False)
    assert await store.reports.next_open() == report
    assert await store.reports.next_open(without=[report.id]) is None
    with pytest.raises(NotFound):
        await store.reports.get(other.id, report.id)
    report = await store.reports.begin(await store.reports.begin(report))
    kept = [KeptDigest(id_, number, {"title": "été"}) for number, id_ in enumerate(ids)]
    for at in (0, 1):
        report = await store.reports.add_digests(report, kept[at : at + 1], (5.0 + at, ids[at]))
    assert (report.digested, report.after_at, report.after_id) == (2, 6.0, ids[1])
    assert await store.reports.digests(report.id, limit=9) == kept
    assert await store.reports.digests(report.id, after=0, limit=9) == kept[1:]
    assert await store.reports.quoting(ids[0]) == [report.id]
    report = await store.reports.finish(report, note="n")
    assert (report.state, report.note, report.is_open) == (ReportState.DONE, "n", False)
    assert report.finished_at is not None
    with pytest.raises(IllegalMove):
        await store.reports.fail(report, "too late")
    with pytest.raises(Conflict):
        await store.reports.ask(project.id, is_published=False, reports_max=1)
    assert await store.reports.newest_published(project.id) is None
    await store.reports.publish(project.id, report.id, is_published=True)
    newest = await store.reports.newest_published(project.id)
    assert newest is not None
    assert newest.id == report.id
    await store.projects.delete(project.id)
    assert await store.reports.of_deleted_projects(limit=9) == [report.id]
    await store.reports.delete(report.id)
    await store.reports.delete(report.id)
    assert await store.reports.quoting(ids[0]) == []


async def test_an_address_is_kept_once_and_not_more_than_may_be(store: Store) -> None:
    project = await made(store, "1")
    await store.subscriptions.subscribe(project.id, ["b@x.org", "a@x.org", "b@x.org"], subscriptions_max=2)
    first, second = (await store.subscriptions.page(project.id, page=1, size=9))[0]
    assert (first.email, second.email) == ("b@x.org", "a@x.org")
    with pytest.raises(Conflict):
        await store.subscriptions.subscribe(project.id, ["c@x.org"], subscriptions_max=2)
    assert not (await store.subscriptions.opt(project.id, first.id, opted_in=False)).opted_in
    assert (await store.subscriptions.page(project.id, page=1, size=9))[1] == 1
    await store.subscriptions.subscribe(project.id, ["b@x.org"], subscriptions_max=2)
    assert (await store.subscriptions.get(project.id, first.id)).opted_in
    assert await store.subscriptions.forget_deleted_projects() == 0
    await store.projects.delete(project.id)
    assert await store.subscriptions.forget_deleted_projects() == 2
    with pytest.raises(NotFound):
        await store.subscriptions.get(project.id, first.id)


async def test_destroying_a_conversation_leaves_nothing_of_who_spoke(store: Store) -> None:
    project = await made(store, "1")
    id_ = await begun(store, project.id)
    await store.conversations.finish(id_, by="participant")
    await store.conversations.close(id_)
    assert await store.retention.ended_before(project.id, 2e9, (0.0, ""), limit=9)
    await store.destroy_transcript(id_)
    assert await store.retention.ended_before(project.id, 2e9, (0.0, ""), limit=9) == []
    assert (await store.conversations.page(project.id, page=1, size=9))[1] == 0
    assert await store.standing("conversation", id_) is None


async def test_projects_with_a_retention_are_found_deleted_or_not(store: Store) -> None:
    projects = [await made(store, str(number)) for number in range(3)]
    for project, days in zip(projects, (7, 0), strict=False):
        await store.projects.change(project.id, {}, portal={"retention_days": days})
    await store.projects.delete(projects[0].id)
    found = await store.retention.projects_after("", limit=9)
    assert sorted(found) == sorted([(projects[0].id, 7), (projects[1].id, 0)])
    assert await store.retention.projects_after(max(id_ for id_, _ in found), limit=9) == []
