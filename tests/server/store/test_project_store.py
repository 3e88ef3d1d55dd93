"""Projects and tags as they are kept."""

from __future__ import annotations

import pytest

from protocol.errors import Conflict, NotFound, Overloaded
from server.store.project_records import Project
from server.store.standing import EVERYBODY, Standing, Viewer
from server.store.store import Store


async def made(store: Store, name: str, *, owner: str | None = "anna", tags: tuple[str, ...] = ()) -> Project:
    return await store.projects.create(
        name=name,
        owner=owner,
        language="en",
        is_open=True,
        portal={"title": "T"},
        tags=tags,
        tags_max=3,
        projects_max=4,
    )


async def test_what_is_kept_is_read_back(store: Store) -> None:
    project = await made(store, "Talks", tags=("b", "a"))
    assert await store.projects.get(project.id) == project
    assert ([tag.text for tag in project.tags], project.portal) == (["b", "a"], {"title": "T"})
    changed = await store.projects.change(project.id, {"name": "X"}, portal={"finish_text": "bye"})
    assert (changed.name, changed.portal) == ("X", {"title": "T", "finish_text": "bye"})
    assert changed.updated_at >= project.updated_at


async def test_each_sees_their_own_newest_first(store: Store) -> None:
    first = await made(store, "1")
    nobodys = await made(store, "2", owner=None)
    last = await made(store, "3")
    ids = [each.id for each in (await store.projects.page(page=1, size=10, viewer=Viewer("anna")))[0]]
    assert ids == [last.id, first.id]
    assert (await store.projects.page(page=2, size=1, viewer=Viewer("anna")))[0][0].id == first.id
    assert [each.id for each in (await store.projects.page(page=1, size=10, viewer=Viewer(None)))[0]] == [nobodys.id]
    assert (await store.projects.page(page=1, size=10, viewer=EVERYBODY))[1] == 3
    assert await store.standing("project", first.id) == Standing("anna", "private")


async def test_a_deleted_one_is_gone_for_all_but_its_standing(store: Store) -> None:
    project = await made(store, "Talks")
    await store.projects.delete(project.id)
    for gone in (
        store.projects.get(project.id),
        store.projects.change(project.id, {"name": "X"}),
        store.projects.delete(project.id),
        store.projects.add_tag(project.id, "x", tags_max=3),
    ):
        with pytest.raises(NotFound):
            await gone
    assert (await store.projects.page(page=1, size=10))[1] == 0
    assert await store.standing("project", project.id) == Standing("anna", "private", is_deleted=True)


async def test_there_are_not_more_than_may_be(store: Store) -> None:
    project = await made(store, "1", tags=("a", "b"))
    await store.projects.add_tag(project.id, "c", tags_max=3)
    with pytest.raises(Conflict, match="as many tags"):
        await store.projects.add_tag(project.id, "d", tags_max=3)
    for name in ("2", "3", "4"):
        await made(store, name)
    with pytest.raises(Overloaded):
        await made(store, "5")


async def test_tags_of_one_text_or_of_another_project_are_refused(store: Store) -> None:
    project, other = await made(store, "1", tags=("Straße",)), await made(store, "2", tags=("b",))
    with pytest.raises(Conflict, match="such a tag"):
        await store.projects.add_tag(project.id, "STRASSE", tags_max=3)
    with pytest.raises(Conflict):
        await made(store, "3", tags=("a", "A"))
    assert (await store.projects.page(page=1, size=10))[1] == 2  # nor is the project made
    for gone in (
        store.projects.rename_tag(project.id, other.tags[0].id, "x"),
        store.projects.delete_tag(project.id, other.tags[0].id),
    ):
        with pytest.raises(NotFound):
            await gone
    renamed = await store.projects.rename_tag(project.id, project.tags[0].id, "Street")
    assert (await store.projects.get(project.id)).tags == (renamed,)
