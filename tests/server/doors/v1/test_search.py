"""Search over REST: the documented shape, where to jump to, and answers to whatever is typed."""

from __future__ import annotations

import httpx

from server.services import Services
from tests.server.doors.v1.test_participants import path
from tests.server.spoken import final, put

__all__ = ["path"]


async def test_what_is_found_and_where(client: httpx.AsyncClient, services: Services, path: str) -> None:
    made = path.rsplit("/", 1)[1]
    await services.store.create_track(made, source="stream", started_at=998.0, track_id="trk_0")
    await services.store.update_transcript(made, name="A talk", title="Greetings")
    await client.post(f"{path}/participants", json={"name": "Ann", "speaker": 2})
    body = (await client.get("/v1/transcripts/search/", params={"q": "Thére Yo"})).json()
    assert {key: body[key] for key in ("total", "query", "limit", "offset")} == {
        "total": 1,
        "query": "Thére Yo",
        "limit": 20,
        "offset": 0,
    }
    [result] = body["results"]
    transcript = (await client.get(path)).json()
    expected = {
        "id": made,
        "title": "Greetings",
        "name": "A talk",
        "user_id": None,
        "room_id": None,
        "room_name": None,
        "source_kind": "live",
        "created_at": transcript["created_at"],
        "deleted_at": None,
        "status": "initializing",
        "duration": 0.0,
        "rank": 0.6154,
        "total_match_count": 2,
        "search_snippets": ["hello there you"] * 2,
        "change_seq": result["change_seq"],
    }
    assert {key: value for key, value in result.items() if key != "snippets"} == expected
    assert result["snippets"][1] == {
        "text": "hello there you",
        "matches": [[6, 11], [12, 15]],
        "kind": "segment",
        "segment_id": "seg_2",
        "speaker": "Ann",
        "track": "trk_1",
        "start": 4.062,
        "time": 6.062,
    }


async def test_no_words_list_everything_and_pages_are_counted(client: httpx.AsyncClient, services: Services) -> None:
    made = [(await services.store.create_transcript(name=f"number {i}")).id for i in range(3)]
    everything = (await client.get("/v1/transcripts/search", params={"q": ""})).json()
    assert {each["id"] for each in everything["results"]} == set(made)
    assert everything["results"][0]["rank"] == 0
    second = (await client.get("/v1/transcripts/search", params={"q": "number", "limit": 1, "offset": 1})).json()
    assert (len(second["results"]), second["total"]) == (1, 3)
    assert (await client.get("/v1/transcripts/search", params={"q": "?!"})).json()["results"] == []


async def test_filters_and_the_bin(client: httpx.AsyncClient, services: Services) -> None:
    made = await services.store.create_transcript(name="word")
    await services.store.delete_transcript(made.id)

    async def total(*, since: str = "2000-01-01", **more: str | bool) -> int:
        params = {"q": "word", "from": since, **more}
        answer = await client.get("/v1/transcripts/search", params=params)
        assert answer.status_code == 200, answer.text
        found: int = answer.json()["total"]
        return found

    assert await total() == 0
    assert await total(include_deleted=True) == 1
    assert await total(include_deleted=True, source_kind="file") == 0
    assert await total(include_deleted=True, since="2020-01-01T00:00:00Z", to="2999-01-01") == 1
    assert await total(include_deleted=True, to="2020-01-01T00:00:00+02:00") == 0


async def test_whatever_is_typed_is_answered(client: httpx.AsyncClient) -> None:
    cases: list[tuple[dict[str, str | int], int]] = [
        ({}, 422),
        ({"q": "a" * 10_000}, 422),
        ({"q": "a", "limit": 0}, 422),
        ({"q": "a", "limit": 101}, 422),
        ({"q": "a", "offset": -1}, 422),
        ({"q": "a", "from": "yesterday"}, 422),
        ({"q": "a", "source_kind": "x"}, 422),
        ({"q": "a", "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, 400),
        ({"q": "a", "from": "0001-01-01T00:00:00+14:00"}, 200),
        ({"q": "a", "room_id": "\x00"}, 200),
        ({"q": "\x00"}, 200),
        ({"q": '"' * 1000}, 200),
        ({"q": "(" * 1000}, 200),
        ({"q": "😀 ** NEAR(a b)"}, 200),
    ]
    for params, status in cases:
        answer = await client.get("/v1/transcripts/search", params=params)
        assert answer.status_code == status, (params, answer.text)


async def test_a_snippet_of_a_long_segment_leads_to_its_word(client: httpx.AsyncClient, services: Services) -> None:
    made = (await services.store.create_transcript()).id
    await put(services.store, made, final(text="hay " * 100 + "needle " + "hay " * 100))
    [result] = (await client.get("/v1/transcripts/search", params={"q": "needle"})).json()["results"]
    [found] = result["snippets"]
    assert len(found["text"]) <= 150
    assert [found["text"][start:end] for start, end in found["matches"]] == ["needle"]
    assert found["start"] == round(100 * 1000 / 16000, 3)
