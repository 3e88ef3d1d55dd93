from __future__ import annotations

import pytest

from protocol.errors import Conflict, NotFound, Overloaded, TooLarge
from server.store.standing import share_of
from server.store.store import Store
from server.store.uploads import Chunk, ChunkedUpload


async def begin(
    store: Store, transcript_id: str, upload_id: str, *, open_max: int = 9, owner_max: int | None = None, **options: int
) -> ChunkedUpload:
    return await store.uploads.begin(
        transcript_id,
        upload_id,
        name="talk\x00.wav",
        language="de",
        chunks=options.get("chunks", 3),
        length_bytes=None,
        sha256=None,
        per_transcript_max=2,
        owner_max=owner_max,
        open_max=open_max,
    )


def chunk(number: int, length_bytes: int = 10) -> Chunk:
    return Chunk(number, length_bytes, "ab" * 32)


async def test_an_upload_counts_its_chunks(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    begun = await begin(store, transcript_id, "upl_1")
    assert (begun.name, begun.language, begun.state, begun.received_chunks) == ("talk.wav", "de", "open", 0)
    for number in (2, 0):
        await store.uploads.add_chunk(transcript_id, "upl_1", chunk(number), bytes_max=30)
    upload = await store.uploads.get(transcript_id, "upl_1")
    assert (upload.received_chunks, upload.received_bytes) == (2, 20)
    assert upload.updated_at > begun.updated_at
    assert await store.uploads.chunks_of("upl_1") == [chunk(0), chunk(2)]
    assert (await store.uploads.chunk("upl_1", 1), await store.uploads.chunk("upl_1", 2)) == (None, chunk(2))
    with pytest.raises(TooLarge):
        await store.uploads.add_chunk(transcript_id, "upl_1", chunk(1, 11), bytes_max=30)
    await store.uploads.forget_chunk("upl_1", 2)
    assert await store.uploads.chunks_of("upl_1") == [chunk(0)]


async def test_only_an_open_one_takes_chunks(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    await begin(store, transcript_id, "upl_1")
    await store.uploads.set_state("upl_1", "joining")
    with pytest.raises(Conflict):
        await store.uploads.add_chunk(transcript_id, "upl_1", chunk(1), bytes_max=30)
    with pytest.raises(NotFound):
        await store.uploads.add_chunk(transcript_id, "upl_2", chunk(1), bytes_max=30)


async def test_how_many_are_open_is_bounded(store: Store) -> None:
    first, second = [(await store.create_transcript()).id for _ in range(2)]
    await begin(store, first, "upl_1")
    await begin(store, first, "upl_2")
    with pytest.raises(Conflict):
        await begin(store, first, "upl_3")
    with pytest.raises(Overloaded):
        await begin(store, second, "upl_3", open_max=2)
    await store.uploads.set_state("upl_1", "done")
    await begin(store, first, "upl_3")
    assert [upload.id for upload in await store.uploads.of_transcript(first)] == ["upl_1", "upl_2", "upl_3"]
    assert await store.uploads.of_transcript(second) == []
    assert len(await store.uploads.everyone()) == 3


async def test_one_owner_does_not_take_the_places_of_all(store: Store) -> None:
    annas = [(await store.create_transcript(owner="anna")).id for _ in range(2)]
    berts = (await store.create_transcript(owner="bert")).id
    nobodys = [(await store.create_transcript()).id for _ in range(2)]
    await begin(store, annas[0], "upl_1", owner_max=1)
    with pytest.raises(Conflict, match="of your uploads"):
        await begin(store, annas[1], "upl_2", owner_max=1)
    await begin(store, berts, "upl_3", owner_max=1)
    for number, transcript_id in enumerate(nobodys):
        await begin(store, transcript_id, f"upl_{4 + number}", owner_max=1)
    await begin(store, annas[1], "upl_2")


def test_a_share_is_a_tenth_but_not_too_little() -> None:
    assert [share_of(places) for places in (1, 9, 100, 200)] == [1, 8, 10, 20]


async def test_it_is_of_its_transcript_and_goes_with_it(store: Store) -> None:
    transcript_id, other = [(await store.create_transcript()).id for _ in range(2)]
    await begin(store, transcript_id, "upl_1")
    await store.uploads.add_chunk(transcript_id, "upl_1", chunk(1), bytes_max=30)
    with pytest.raises(NotFound):
        await store.uploads.get(other, "upl_1")
    with pytest.raises(NotFound):
        await begin(store, "00000000-0000-4000-8000-000000000000", "upl_2")
    await store.update_transcript(other, locked=True)
    with pytest.raises(Conflict):
        await begin(store, other, "upl_2")
    await store.destroy_transcript(transcript_id)
    assert await store.uploads.everyone() == []
    assert await store.uploads.chunks_of("upl_1") == []
