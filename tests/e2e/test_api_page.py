"""The API's page in Chromium: a request is tried with the token."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from tests.e2e.browser import visiting
from tests.fakes.running_app import running_app

pytestmark = pytest.mark.browser
TOKEN = "canary-token-of-the-page"


async def test_a_request_is_tried_with_the_token(tmp_path: Path, chromium: str) -> None:
    async with running_app(tmp_path, access_token=SecretStr(TOKEN)) as node, visiting(chromium, outages=True) as visit:
        await node.services.store.create_transcript(name="shown on the page")
        page = visit.page
        await page.goto(f"{node.serving.url}docs")
        operation = page.locator("#operations-transcripts-list_transcripts")
        await operation.locator(".opblock-summary-control").click()
        await operation.get_by_role("button", name="Try it out").click()
        await operation.get_by_role("button", name="Execute").click()
        answer = operation.locator(".live-responses-table tbody .response-col_description")
        await expect(answer.first).to_contain_text("NOT_AUTHORISED")

        await page.locator(".auth-wrapper .btn.authorize").first.click()
        await page.locator(".auth-container", has_text="bearer").locator("input").fill(TOKEN)
        await page.locator(".auth-container", has_text="bearer").get_by_role("button", name="Authorize").click()
        await page.locator(".modal-ux .close-modal").click()
        await operation.get_by_role("button", name="Execute").click()
        await expect(answer.first).to_contain_text("shown on the page")
        await page.screenshot(path=tmp_path / "docs.png")
