"""Rooms over REST."""

from __future__ import annotations

import httpx

from protocol.ids import new_transcript_id


async def test_a_room_is_made_read_changed_and_deleted(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/rooms/", json={"name": "weekly-standup", "language": "de", "zulip_stream": "x"})
    assert made.status_code == 201, made.text
    room = made.json()
    assert made.headers["location"] == f"/v1/rooms/{room['id']}"
    assert {**room["data"], **room} == room  # what is in data is beside it, too
    assert (room["name"], room["platform"], room["language"]) == ("weekly-standup", "builtin", "de")
    assert (room["share_mode"], room["is_shared"], room["is_locked"]) == ("private", False, False)
    assert (room["recording_type"], room["recording_trigger"]) == ("local", "automatic")
    for path in (f"/v1/rooms/{room['id']}", "/v1/rooms/name/weekly-standup/"):
        assert (await client.get(path)).json() == room
    listed = (await client.get("/v1/rooms/?size=1")).json()
    assert (listed["items"], listed["total"], listed["pages"]) == ([room], 1, 1)

    changed = await client.patch(
        f"/v1/rooms/{room['id']}", json={"is_shared": True, "recording_type": "none", "skip_consent": True}
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["share_mode"], changed.json()["is_shared"]) == ("public", True)
    assert (changed.json()["recording_type"], changed.json()["skip_consent"]) == ("none", True)
    assert changed.json()["name"] == "weekly-standup"
    again = (await client.patch(f"/v1/rooms/{room['id']}", json={"name": "daily", "share_mode": "semi-private"})).json()
    assert (again["name"], again["share_mode"], again["recording_type"]) == ("daily", "semi-private", "none")

    assert (await client.delete(f"/v1/rooms/{room['id']}/")).status_code == 204
    for path in (f"/v1/rooms/{room['id']}", "/v1/rooms/name/daily"):
        assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"/v1/rooms/{room['id']}")).status_code == 404
    assert (await client.get("/v1/rooms")).json()["total"] == 0


async def test_a_name_that_is_taken_is_a_conflict(client: httpx.AsyncClient) -> None:
    first = (await client.post("/v1/rooms", json={"name": "weekly"})).json()
    other = (await client.post("/v1/rooms")).json()  # its name is made up
    assert other["name"].startswith("room-")
    for refused in (
        await client.post("/v1/rooms", json={"name": "weekly"}),
        await client.patch(f"/v1/rooms/{other['id']}", json={"name": "weekly"}),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await client.delete(f"/v1/rooms/{first['id']}")).status_code == 204
    assert (await client.post("/v1/rooms", json={"name": "weekly"})).status_code == 201


NOT_NAMES = ["Weekly", "a b", "-a", "a-", "über", "a" * 65, "a/b", "", "05aaa04e-dc59-4e2f-af18-9fce6bf66068"]


async def test_names_that_no_link_can_carry(client: httpx.AsyncClient) -> None:
    for name in NOT_NAMES:
        refused = await client.post("/v1/rooms", json={"name": name})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "VALIDATION_ERROR"), name
        assert "weekly-standup" in refused.json()["error"]["message"]


CANNOT_BE_HAD = [
    ({"platform": "daily"}, "'builtin' or 'whereby'"),
    ({"platform": "whereby"}, "possible: builtin"),  # no key is set
    ({"recording_type": "cloud"}, "possible: local, none"),
    ({"recording_trigger": "prompt"}, "possible: automatic"),
    ({"share_mode": "everybody"}, "'semi-private'"),
    ({"language": "no such"}, "language"),
]


async def test_what_cannot_be_had_is_told_with_what_can(client: httpx.AsyncClient) -> None:
    place = f"/v1/rooms/{(await client.post('/v1/rooms')).json()['id']}"
    for body, told in CANNOT_BE_HAD:
        for refused in (await client.post("/v1/rooms", json=body), await client.patch(place, json=body)):
            assert refused.status_code == 422, body
            assert told in refused.text
    assert (await client.get("/v1/rooms")).json()["total"] == 1


async def test_a_change_of_nothing_and_of_no_room(client: httpx.AsyncClient) -> None:
    room = (await client.post("/v1/rooms")).json()
    assert (await client.patch(f"/v1/rooms/{room['id']}", json={"webhook_url": "x"})).status_code == 422
    for id_ in (new_transcript_id(), "nothing"):
        assert (await client.patch(f"/v1/rooms/{id_}", json={"is_locked": True})).status_code == 404
        assert (await client.get(f"/v1/rooms/{id_}")).status_code == 404
        assert (await client.get(f"/v1/rooms/name/{id_}")).status_code == 404
