"""API keys and tickets in the database."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from protocol.errors import Conflict
from server.store.keys import ApiKey
from server.store.standing import EVERYBODY, Viewer
from server.store.store import Store


async def made(store: Store, digest: str, owner: str | None = "anna", *, keys_max: int = 10) -> ApiKey:
    return await store.keys.create(
        str(uuid.uuid4()),
        owner=owner,
        name="desk",
        digest=digest,
        scopes=("read", "speak"),
        expires_at=None,
        keys_max=keys_max,
    )


async def test_a_key_is_found_by_its_digest_until_it_is_revoked(store: Store) -> None:
    key = await made(store, "a" * 64)
    assert await store.keys.by_digest("a" * 64) == await store.keys.get(key.id) == key
    assert await store.keys.by_digest("b" * 64) is None
    assert key.scopes == ("read", "speak")
    assert key.is_valid(0)
    standing = await store.standing("api_key", key.id)
    assert standing is not None
    assert (standing.owner, standing.is_deleted) == ("anna", False)
    assert await store.keys.revoke(key.id)
    assert not await store.keys.revoke(key.id)
    found = await store.keys.by_digest("a" * 64)
    assert found is not None
    assert not found.is_valid(0)
    standing = await store.standing("api_key", key.id)
    assert standing is not None
    assert standing.is_deleted


async def test_lists_hold_ones_own_and_only_so_many_may_be(store: Store) -> None:
    first, second = await made(store, "a" * 64), await made(store, "b" * 64)
    nobodys = await made(store, "c" * 64, None)
    assert await store.keys.of(Viewer("anna"), 10) == [second, first]
    assert await store.keys.of(Viewer(None), 10) == [nobodys]
    assert len(await store.keys.of(EVERYBODY, 10)) == 3
    with pytest.raises(Conflict):
        await made(store, "d" * 64, keys_max=2)
    await store.keys.revoke(first.id)
    await made(store, "d" * 64, keys_max=2)


async def test_when_a_key_was_used_is_written_seldom(store: Store) -> None:
    key = await made(store, "a" * 64)
    await store.keys.used(key)
    used = await store.keys.get(key.id)
    assert used is not None
    assert used.last_used_at is not None
    await store.keys.used(used)
    again = await store.keys.get(key.id)
    assert again is not None
    assert again.last_used_at == used.last_used_at


async def test_of_many_who_come_with_a_ticket_one_has_it(store: Store) -> None:
    await store.keys.put_ticket("a" * 64, "{}", 1_800_000_000.0)
    taken = await asyncio.gather(*(store.keys.take_ticket("a" * 64) for _ in range(8)))
    assert sorted(map(str, taken)) == ["None"] * 7 + ["{}"]
    assert await store.keys.take_ticket("b" * 64) is None


async def test_a_late_ticket_is_none_and_is_forgotten(store: Store) -> None:
    await store.keys.put_ticket("a" * 64, "{}", 1.0)
    assert await store.keys.take_ticket("a" * 64) is None
    await store.keys.put_ticket("b" * 64, "{}", 1.0)
    await store.keys.put_ticket("b" * 64, "{}", 1_800_000_000.0)  # the first one made place
    assert await store.keys.take_ticket("b" * 64) == "{}"
