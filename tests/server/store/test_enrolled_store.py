"""Enrolled voices as they are kept, bounded, found for a transcript, and as they go; and names given by recognition."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.errors import Conflict, NotFound
from server.store.enrolled_store import ENROLLED_MAX, EnrolledVoice
from server.store.project_records import Project
from server.store.standing import EVERYBODY, Viewer
from server.store.store import Store


async def enrol(store: Store, name: str, **values: Any) -> EnrolledVoice:
    given = {"owner": "anna", "project_id": None, "encoder": "e", "dim": 2, "embedding": b"\0\x3c\0\0"}
    given |= {"heard_samples": 160_000, "transcript_id": "t"}
    return await store.voices.enrolled.create(name=name, **{**given, **values})


async def new_project(store: Store, owner: str = "anna") -> Project:
    return await store.projects.create(
        name="p", owner=owner, language="en", is_open=True, portal={}, tags_max=1, projects_max=9
    )


async def names(store: Store, transcript_id: str, *, of_nobody: bool = False) -> list[str]:
    return [each.name for each in await store.voices.enrolled.known_in(transcript_id, of_nobody=of_nobody)]


async def test_kept_listed_renamed_and_deleted(store: Store) -> None:
    ann, _ben = await enrol(store, "Ann"), await enrol(store, "B\0en", owner="bert")
    assert [each.name for each in await store.voices.enrolled.page(EVERYBODY)] == ["Ben", "Ann"]
    assert await store.voices.enrolled.page(Viewer("anna")) == [ann]
    assert "x3c" not in repr(ann)
    assert (await store.voices.enrolled.rename(ann.id, "Anna")).name == "Anna"
    await store.voices.enrolled.delete(ann.id)
    assert await store.voices.enrolled.page(Viewer("anna")) == []
    with pytest.raises(NotFound):
        await store.voices.enrolled.delete(ann.id)
    with pytest.raises(NotFound):
        await store.voices.enrolled.rename(ann.id, "x")


async def test_each_is_known_in_its_owners_transcripts_of_its_project_alone(store: Store) -> None:
    project = await new_project(store)
    await enrol(store, "Ann")
    await enrol(store, "Ann of p", project_id=project.id)
    await enrol(store, "Ben", owner="bert")
    await enrol(store, "Nobody", owner=None)
    ids = {owner: (await store.create_transcript(owner=owner)).id for owner in ("anna", "bert", "carl", None)}
    conversation = await store.conversations.begin(project.id, name="", email=None, tags=(), source="PORTAL_AUDIO")
    assert await names(store, ids["anna"]) == ["Ann"]
    assert await names(store, ids["bert"]) == ["Ben"]
    assert await names(store, ids["carl"]) == []
    assert await names(store, conversation.id) == ["Ann of p"]
    assert await names(store, ids[None]) == []
    assert await names(store, ids[None], of_nobody=True) == ["Nobody"]
    assert await names(store, "no-such") == []
    assert [each.name for each in await store.voices.enrolled.page(Viewer("anna"), project_id=project.id)] == [
        "Ann of p"
    ]


async def test_there_are_only_so_many_of_one_owner_in_one_place(store: Store) -> None:
    project = await new_project(store)
    for number in range(ENROLLED_MAX):
        await enrol(store, str(number))
    with pytest.raises(Conflict, match="as many") as refused:
        await enrol(store, "more")
    assert refused.value.details == {"max": ENROLLED_MAX}
    await enrol(store, "elsewhere", project_id=project.id)
    await enrol(store, "another's", owner="bert")


async def test_they_go_with_their_project_and_not_with_a_transcript(store: Store) -> None:
    project = await new_project(store)
    made = await store.create_transcript(owner="anna")
    await enrol(store, "Ann", transcript_id=made.id)
    await enrol(store, "Ann of p", project_id=project.id)
    await store.remove_audio(made.id)
    await store.destroy_transcript(made.id)
    await store.projects.delete(project.id)
    assert [each.name for each in await store.voices.enrolled.page(EVERYBODY)] == ["Ann"]
    with pytest.raises(NotFound):
        await enrol(store, "late", project_id=project.id)


async def test_a_name_that_was_recognised_is_marked_until_somebody_changes_it(store: Store) -> None:
    made = (await store.create_transcript()).id
    async with store.changing_participants(made) as changes:
        await changes.recognise("Speaker 1", "v1", "A\0nn")
        await changes.recognise("Speaker 1", "v2", "Ben")  # the same transaction knows of it
        await changes.add(name="Zoe", speaker="Speaker 2")
        await changes.recognise("Speaker 2", "v1", "Ann")
    found = {each.speaker: (each.name, each.recognised) for each in await store.participants_of(made)}
    assert found == {"Speaker 1": ("Ben", True), "Speaker 2": ("Zoe", False)}
    assert await store.voices.enrolled.recognised_in(made) == {"Speaker 1": "v2"}
    [ben, _] = await store.participants_of(made)
    async with store.changing_participants(made) as changes:
        await changes.change(ben.id, email="ben@example.org")
    assert (await store.participants_of(made))[0].recognised, "an address says nothing of the name"
    async with store.changing_participants(made) as changes:
        await changes.change(ben.id, name="Benjamin")
        await changes.unrecognise("Speaker 1")
        await changes.recognise("Speaker 1", "v1", "Ann")
    assert [(each.name, each.recognised) for each in (await store.participants_of(made))[:1]] == [("Benjamin", False)]
    await store.destroy_transcript(made)
    assert await store.voices.enrolled.recognised_in(made) == {}


async def test_what_was_recognised_is_taken_back_whole(store: Store) -> None:
    made = (await store.create_transcript()).id
    async with store.changing_participants(made) as changes:
        await changes.recognise("Speaker 1", "v1", "Ann")
        await changes.unrecognise("Speaker 1")
        assert changes.all == []
        await changes.recognise("Speaker 1", "v2", "Ben")
    assert [each.name for each in await store.participants_of(made)] == ["Ben"]
