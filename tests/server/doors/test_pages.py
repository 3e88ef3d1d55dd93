"""The pages' files, and what is said where there is none."""

from __future__ import annotations

import httpx
import pytest

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_an_unknown_page_is_a_page_for_people_and_an_envelope_for_programs(client: httpx.AsyncClient) -> None:
    for path in ("/nowhere", "/t/a/b", "/pages/nowhere.js", "/../etc/passwd"):
        shown = await client.get(path, headers=BROWSER)
        assert (shown.status_code, shown.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert "/pages/missing.js" in shown.text
        refused = await client.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "NOT_FOUND"), path


@pytest.mark.parametrize("path", ["/v1/nowhere", "/api/nowhere", "/v1", "/api"])
async def test_the_api_answers_programs_only(client: httpx.AsyncClient, path: str) -> None:
    refused = await client.get(path, headers=BROWSER)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_the_icon_has_both_of_its_names(client: httpx.AsyncClient) -> None:
    for path in ("/favicon.ico", "/favicon.svg"):
        icon = await client.get(path)
        assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml"), path


@pytest.mark.parametrize("accept", ["application/json, text/plain, */*", "*/*", ""])
async def test_a_program_is_told_what_this_is(client: httpx.AsyncClient, accept: str) -> None:
    told = await client.get("/", headers={"Accept": accept})
    assert told.headers["Vary"] == "Accept"
    body = told.json()
    assert body["name"] == "Earshot"
    assert body["version"]
    assert (await client.get(body["endpoints"]["health"])).status_code == 200


async def test_a_browser_is_shown_the_page(client: httpx.AsyncClient) -> None:
    for accept in ("text/html", "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"):
        page = await client.get("/", headers={"Accept": accept})
        assert page.headers["Content-Type"].startswith("text/html")
        assert page.headers["Vary"] == "Accept"
