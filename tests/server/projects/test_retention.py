"""What is older than a project keeps goes for good, and nothing else does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import NotFound
from protocol.states import TranscriptState
from server.projects.retention import Retention
from server.removal import DAY_S
from server.services import Services
from tests.fakes.node import running_services, wait_for_state
from tests.server.projects.test_chunks import uploaded
from tests.server.reports.test_reports import made


async def talked(services: Services, *, portal: dict[str, Any]) -> tuple[str, str]:
    """A project, and a conversation in it that is at its end, with sound."""
    project = await services.store.projects.create(
        name="Talks", owner=None, language="en", is_open=True, portal=portal, tags_max=9, projects_max=9
    )
    conversation = await services.store.conversations.begin(
        project.id, name="Anna", email="anna@example.org", tags=(), source="PORTAL_AUDIO"
    )
    chunk = await uploaded(services, conversation.id, "alpha bravo")
    await services.chunks.confirm(conversation.id, chunk.id, said_at=None)
    await services.chunks.typed(conversation.id, "Typed.", said_at=None, source="PORTAL_TEXT")
    await services.chunks.finish(conversation.id)
    await wait_for_state(services, conversation.id, TranscriptState.ENDED)
    return project.id, conversation.id


def retention(services: Services, days: float) -> Retention:
    """As it is so many days from now."""
    return Retention(
        services.store,
        services.blobs,
        services.removal,
        services.reports,
        clock=lambda: time.time() + days * DAY_S,
    )


async def test_what_is_too_old_goes_with_its_sound_and_the_reports_that_quote_it(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        project_id, old = await talked(services, portal={"retention_days": 30})
        _, kept = await talked(services, portal={"retention_days": 0})
        _, also_kept = await talked(services, portal={})
        report, _ = await services.reports.ask(project_id)
        await made(services, project_id, report.id)
        await services.blobs.put(f"conversations/{old}/probe", b"probe")
        assert list(services.settings.recordings_dir.glob(f"{old}/*"))

        assert await retention(services, 29).round() == 0
        assert await services.store.reports.get(project_id, report.id)
        assert await retention(services, 31).round() == 1
        assert await retention(services, 31).round() == 0

        assert not list(services.settings.recordings_dir.glob(f"{old}/*"))
        assert (await services.blobs.listed(f"conversations/{old}")).blobs == ()
        assert (await services.blobs.listed("reports")).blobs == ()
        for gone in (
            services.store.get_transcript(old, including_deleted=True),
            services.store.conversations.get(old),
            services.store.reports.get(project_id, report.id),
        ):
            with pytest.raises(NotFound):
                await gone
        assert await services.store.conversations.chunks_of(old) == []  # nor what was typed
        for each in (kept, also_kept):
            assert (await services.store.conversations.get(each)).email == "anna@example.org"


async def test_what_is_locked_stays_and_what_is_in_the_bin_goes(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        project_id, locked = await talked(services, portal={"retention_days": 1})
        _, binned = await talked(services, portal={"retention_days": 1})
        await services.store.update_transcript(locked, locked=True)
        report, _ = await services.reports.ask(project_id)
        await made(services, project_id, report.id)
        await services.removal.delete(binned)
        assert await retention(services, 2).round() == 1
        assert (await services.store.get_transcript(locked)).locked
        assert await services.store.reports.get(project_id, report.id)  # its words may be kept
        with pytest.raises(NotFound):
            await services.store.get_transcript(binned, including_deleted=True)


async def test_what_a_host_deleted_for_good_takes_reports_along_where_there_is_a_retention(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        for days, left in ((30, 0), (0, 1)):
            project_id, id_ = await talked(services, portal={"retention_days": days})
            report, _ = await services.reports.ask(project_id)
            await made(services, project_id, report.id)
            await services.removal.discard(id_)
            assert await retention(services, 0).round() == 0
            assert (await services.store.reports.page(project_id, page=1, size=9))[1] == left


async def test_a_deleted_project_still_keeps_its_promise_and_has_no_reports(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        project_id, old = await talked(services, portal={"retention_days": 1})
        report, _ = await services.reports.ask(project_id)
        await made(services, project_id, report.id)
        await services.store.subscriptions.subscribe(project_id, ["a@example.org"], subscriptions_max=9)
        await services.store.projects.delete(project_id)
        assert await retention(services, 0).round() == 0
        assert (await services.store.reports.page(project_id, page=1, size=9))[1] == 0
        assert (await services.store.subscriptions.page(project_id, page=1, size=9))[1] == 0
        assert (await services.blobs.listed("reports")).blobs == ()
        assert await retention(services, 2).round() == 1
        with pytest.raises(NotFound):
            await services.store.get_transcript(old, including_deleted=True)


async def test_what_goes_on_is_not_cut_off(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        project = await services.store.projects.create(
            name="T", owner=None, language="en", is_open=True, portal={"retention_days": 1}, tags_max=9, projects_max=9
        )
        conversation = await services.store.conversations.begin(
            project.id, name="", email=None, tags=(), source="PORTAL_AUDIO"
        )
        assert await retention(services, 5).round() == 0
        assert await services.store.conversations.get(conversation.id)
