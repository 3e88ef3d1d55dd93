"""What strangers say or write is shown as text, whatever it looks like."""

from __future__ import annotations

import json

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e import one_browser
from tests.e2e.conftest import Served
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_tasks, browser = one_browser.no_leaked_tasks, one_browser.browser

HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'


async def new_transcript(url: str, name: str) -> str:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        return str((await http.post("/v1/transcripts", json={"name": name})).raise_for_status().json()["id"])


async def unhurt(page: Page) -> bool:
    return not await page.evaluate("'hurt' in window") and await page.locator("main img, main script").count() == 0


async def test_names(server: Served, browser: Browser) -> None:
    transcript_id = await new_transcript(server.url, HOSTILE)
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{server.url}/t")
        await expect(page.locator(".row-name").first).to_have_text(HOSTILE)
        assert await unhurt(page)
        await page.goto(f"{server.url}/t/{transcript_id}")
        await expect(page.get_by_label("Name of this transcript")).to_have_value(HOSTILE)
        assert await unhurt(page)


async def test_words_and_speakers(server: Served, browser: Browser) -> None:
    transcript_id = await new_transcript(server.url, "")
    word = {"text": HOSTILE, "start": 1.0, "end": 2.0, "confidence": 1.0}
    segment = {
        "segment_id": "seg_1",
        "text": HOSTILE,
        "speaker": HOSTILE,
        "track": '"><img src=x>',
        "language": "en",
        "timestamp": 1.7e9,
        "start": 1.0,
        "end": 2.0,
        "is_final": True,
        "revision": 1,
        "confidence": 1.0,
    }

    async def tell(route: Route) -> None:
        items = [{**segment, "words": [word]}, {**segment, "segment_id": '"><script>', "words": []}]
        await route.fulfill(content_type="application/json", body=json.dumps({"items": items, "total": 2}))

    async with visit_in(browser) as visit:
        page = visit.page
        await page.route("**/v1/**/segments*", tell)
        await page.goto(f"{server.url}/t/{transcript_id}")
        await expect(page.locator(".line .text").first).to_have_text(HOSTILE)
        await expect(page.locator(".line .name").first).to_have_text(HOSTILE)
        assert await unhurt(page)


async def test_a_page_may_run_no_code_of_others(server: Served, browser: Browser) -> None:
    """The policy that would stop it, if text ever became markup."""
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        response = await page.goto(server.url)
        assert response is not None
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        await page.evaluate(
            """() => {
              const script = document.createElement('script');
              script.textContent = 'window.hurt = 1';
              document.body.append(script);
              document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.hurt = 2">');
            }"""
        )
        assert not await page.evaluate("'hurt' in window")
        visit.faults.clear()  # the browser's complaints about what was just tried


async def test_rooms_and_people(server: Served, browser: Browser) -> None:
    """The server takes no such names of rooms; a page shows whatever it is told."""
    person = {"id": "p", "name": HOSTILE, "is_here": True, "connected": True, "muted": False}
    room = {"id": "r", "name": HOSTILE, "platform": "builtin", "share_mode": "public", "is_locked": False}

    async def tell(route: Route) -> None:
        url = route.request.url
        body: object = room
        if url.endswith("/active"):
            body = [{"id": "m"}]
        elif url.endswith("/participants"):
            body = {"items": [person], "total": 1}
        elif "/v1/rooms?" in url:
            body = {"items": [room], "total": 1}
        await route.fulfill(content_type="application/json", body=json.dumps(body))

    async with visit_in(browser) as visit:
        page = visit.page
        for pattern in ("**/v1/rooms**", "**/v1/rooms/**", "**/v1/meetings/**"):
            await page.route(pattern, tell)
        await page.goto(f"{server.url}/r/%3Cimg%20src=x%3E")
        await expect(page.get_by_role("heading")).to_have_text(HOSTILE)
        await expect(page.locator(".here")).to_contain_text(HOSTILE)
        assert await unhurt(page)
        await page.goto(f"{server.url}/rooms")
        await expect(page.locator(".row-name")).to_have_text(HOSTILE)
        assert await unhurt(page)
