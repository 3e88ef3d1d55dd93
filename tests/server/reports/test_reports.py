"""Reports are made in the background, whatever happens between any two steps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from protocol.errors import Conflict, NotFound, StoreUnavailable
from protocol.states import ReportState
from server.reports import reports as reports_module
from server.reports.digests import Digest
from server.reports.reports import ATTEMPTS_MAX, BATCH, GENERATED, GONE, UNFORESEEN, Reports, key_of
from server.services import Services
from server.store.project_records import Project
from server.store.report_records import Report
from tests.fakes.node import running_services
from tests.server.webhooks.noted import noted, wanting


async def project_of(services: Services, count: int) -> str:
    """With so many conversations, each of which says that some roof leaks."""
    project = await services.store.projects.create(
        name="Roofs", owner=None, language="en", is_open=True, portal={}, tags_max=9, projects_max=9
    )
    for at in range(count):
        conversation = await services.store.conversations.begin(
            project.id, name="Anna", email="anna@example.org", tags=(), source="PORTAL_AUDIO"
        )
        text = f"The roof of house number {at} leaks badly."
        await services.chunks.typed(conversation.id, text, said_at=None, source="PORTAL_TEXT")
    return project.id


async def made(services: Services, project_id: str, report_id: str) -> Report:
    async with asyncio.timeout(60):
        while (found := await services.store.reports.get(project_id, report_id)).is_open:
            await services.reports.make_all()
    return found


async def page(services: Services, report: Report) -> str:
    return (await services.reports.file(report, "html")).decode()


async def test_a_report_is_about_all_conversations_and_names_nobody(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        project_id = await project_of(services, 3)
        hook = await wanting(services, project_id, GENERATED)
        report, is_new = await services.reports.ask(project_id, is_published=True)
        assert (is_new, report.conversations) == (True, 3)
        report = await made(services, project_id, report.id)
        assert (report.state, report.digested, report.error) == (ReportState.DONE, 3, None)
        shown = await page(services, report)
        assert all(f"house number {at}" in shown for at in range(3))
        assert "Anna" not in shown
        assert "anna@" not in shown
        assert (await services.reports.file(report, "pdf")).startswith(b"%PDF-")
        assert await noted(services, hook) == [GENERATED]
        assert [each.body for each in await services.store.reports.digests(report.id, limit=9)] == [{}] * 3
        again, is_new = await services.reports.ask(project_id)
        assert (is_new, again.id != report.id) == (True, True)
        await services.reports.delete(report.id)
        with pytest.raises(NotFound):
            await services.blobs.get(key_of(report.id, "html"))


async def test_a_report_whose_files_could_not_be_deleted_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        project_id = await project_of(services, 1)
        report, _ = await services.reports.ask(project_id)
        await made(services, project_id, report.id)

        async def away(prefix: str) -> None:
            raise StoreUnavailable("the bucket does not answer")

        with monkeypatch.context() as broken:
            broken.setattr(services.blobs, "delete_prefix", away)
            with pytest.raises(StoreUnavailable):
                await services.reports.delete(report.id)
        assert (await services.store.reports.get(project_id, report.id)).state is ReportState.DONE
        await services.reports.delete(report.id)
        assert not (await services.blobs.listed("reports")).blobs


async def test_of_a_report_that_is_deleted_while_it_is_made_no_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        project_id = await project_of(services, 1)
        report, _ = await services.reports.ask(project_id)
        await made(services, project_id, report.id)
        forget = services.store.reports.delete

        async def slow(report_id: str) -> None:
            await services.blobs.put(key_of(report_id, "html"), b"the maker was in the middle of it")
            await forget(report_id)

        monkeypatch.setattr(services.store.reports, "delete", slow)
        await services.reports.delete(report.id)
        assert not (await services.blobs.listed("reports")).blobs


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    async def counted(self: Reports, project: Project, conversation_id: str) -> Digest:
        nonlocal count
        count += 1
        if count == 4:
            raise StoreUnavailable("as if the server had died here")
        return await digest(self, project, conversation_id)

    digest = Reports._digest
    monkeypatch.setattr(Reports, "_digest", counted)
    monkeypatch.setattr(reports_module, "BATCH", 2)
    async with running_services(tmp_path) as services:
        await services.reports.stop()
        project_id = await project_of(services, 5)
        report, _ = await services.reports.ask(project_id)
        await services.reports.make_all()
        report = await services.store.reports.get(project_id, report.id)
        assert (report.state, report.digested) == (ReportState.WORKING, 2)
        assert (await services.reports.ask(project_id))[1] is False  # it is this one that is made
    async with running_services(tmp_path) as services:
        report = await made(services, project_id, report.id)
        assert (report.state, report.digested) == (ReportState.DONE, 5)
        shown = await page(services, report)
        assert all(shown.count(f'<p dir="auto">The roof of house number {at} leaks') == 1 for at in range(5))
    assert count == 7  # one batch of two was read twice, as far as it had come
    assert BATCH > 2


async def test_what_nobody_foresaw_ends_in_failure_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    def fail(*_: object) -> bytes:
        nonlocal tried
        tried += 1
        raise RuntimeError("of the test")

    monkeypatch.setattr(reports_module, "as_html", fail)
    async with running_services(tmp_path) as services:
        await services.reports.stop()
        project_id, gone = await project_of(services, 1), await project_of(services, 0)
        report, _ = await services.reports.ask(project_id)
        of_gone, _ = await services.reports.ask(gone)
        await services.store.projects.delete(gone)
        report = await made(services, project_id, report.id)
        assert (report.state, report.error, tried) == (ReportState.FAILED, UNFORESEEN, ATTEMPTS_MAX)
        assert (await services.store.reports.get(gone, of_gone.id)).error == GONE
        with pytest.raises(NotFound, match="not made"):
            await services.reports.file(report, "html")


async def test_one_that_is_deleted_while_it_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        await services.reports.stop()
        project_id = await project_of(services, 1)
        report, _ = await services.reports.ask(project_id)
        put = services.blobs.put

        async def deleted_meanwhile(key: str, data: bytes) -> None:
            await services.reports.delete(report.id)
            await put(key, data)

        monkeypatch.setattr(services.blobs, "put", deleted_meanwhile)
        await services.reports.make_all()
        assert (await services.blobs.listed("reports")).blobs == ()
        with pytest.raises(NotFound):
            await services.store.reports.get(project_id, report.id)


async def test_a_project_has_not_more_reports_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "REPORTS_MAX", 1)
    async with running_services(tmp_path) as services:
        project_id = await project_of(services, 0)
        report, _ = await services.reports.ask(project_id)
        report = await made(services, project_id, report.id)
        assert "There are no conversations yet." in await page(services, report)
        with pytest.raises(Conflict, match="as many reports"):
            await services.reports.ask(project_id)
