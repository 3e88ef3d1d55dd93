"""An address that leads nowhere: said in the reader's language, with a way on."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.browser import visiting
from tests.e2e.conftest import Served
from tests.e2e.page_checks import assert_sound_page

pytestmark = [pytest.mark.browser, pytest.mark.process]


async def test_an_unknown_address_says_so_and_leads_on(server: Served, chromium: str) -> None:
    async with visiting(chromium, outages=True, locale="de-DE") as visit:  # the browser reports the 404 itself
        page = visit.page
        answer = await page.goto(f"{server.url}/no/such/page")
        assert answer is not None
        assert answer.status == 404
        await expect(page.get_by_role("heading", name="Unter dieser Adresse ist nichts.")).to_be_visible()
        await assert_sound_page(page)
        await page.goto(f"{server.url}/t/nope")
        await expect(page.get_by_role("heading", name="Diese Mitschrift gibt es nicht.")).to_be_visible()
        await assert_sound_page(page)
        await page.get_by_role("link", name="Alle Mitschriften ansehen").click()
        await expect(page).to_have_title("Mitschriften · Earshot")
