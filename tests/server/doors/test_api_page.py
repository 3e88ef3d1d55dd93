"""The page of the API: its files are here, and nothing beside them."""

from __future__ import annotations

import re

import httpx

from server.doors.api_page import SCRIPT, STYLE, swagger_ui


async def test_it_is_served_whole_from_here(client: httpx.AsyncClient) -> None:
    pages = [await client.get(path) for path in ("/docs", "/docs/", "/v1/docs", "/v1/docs/")]
    assert {(page.status_code, page.text) for page in pages} == {(200, pages[0].text)}
    assert "script" not in pages[0].headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', pages[0].text)
    assert {f"/docs/{SCRIPT}", f"/docs/{STYLE}", "/v1/openapi.json"} <= set(loaded)
    for path in loaded:
        assert path.startswith("/")
        assert (await client.get(path)).status_code == 200, path


async def test_no_other_file_of_the_package_is_served(client: httpx.AsyncClient) -> None:
    assert (swagger_ui() / "oauth2-redirect.html").is_file()
    for name in ("oauth2-redirect.html", "swagger-initializer.js", f"{SCRIPT}.map", "..%2findex.html"):
        assert (await client.get(f"/docs/{name}")).status_code == 404, name
