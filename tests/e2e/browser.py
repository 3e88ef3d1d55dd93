"""Chromium as a person uses it: found here, started with an empty profile, watched for the page's faults."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page, async_playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pages of the browser's own that nobody looks at, and a process in reserve, are a third of what its start costs.
    # The last list counts, so that this one holds what Playwright would turn off and these pages could notice.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess,"
    "HttpsUpgrades,MediaRouter,OptimizationHints,PaintHolding",
)
# Speech is recognised on a machine that runs other tests as well, and may be a third as fast as it was.
PATIENCE_MS = 90_000
expect.set_options(timeout=PATIENCE_MS)
# What Chromium itself writes when a server does not answer; the page tells its reader in its own words.
OUTAGE = ("Failed to load resource", "WebSocket connection to")


def find_chromium() -> str | None:
    """The browser's path: EARSHOT_CHROMIUM, or the first of the usual names."""
    named = os.environ.get("EARSHOT_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Visit:
    """A page, and what it did that no page may do."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def watch(self, *, outages: bool) -> None:
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("console", lambda message: self._console(message.type, message.text, outages=outages))
        self.page.on("request", lambda request: self._request(request.url))

    def _console(self, kind: str, text: str, *, outages: bool) -> None:
        if kind in ("error", "warning") and not (outages and text.startswith(OUTAGE)):
            self.faults.append(f"console {kind}: {text}")

    def _request(self, url: str) -> None:
        host = urlsplit(url).hostname
        if host not in (None, "", "localhost", "127.0.0.1"):
            self.faults.append(f"request to another host: {host}")

    async def state(self) -> str:
        return await self.page.inner_text("state-line")

    async def until_state(self, text: str) -> None:
        await expect(self.page.locator("state-line")).to_contain_text(text)

    async def until_phase(self, phase: str) -> None:
        await expect(self.page.locator("body")).to_have_attribute("data-phase", phase)

    async def until_heard(self, word: str) -> None:
        """Until a final holds this word."""
        finals = self.page.locator(".line:not(.interim) .word", has_text=word)
        await expect(finals.first).to_be_visible()

    async def until_final(self) -> None:
        """Until a final holds any word."""
        await expect(self.page.locator(".line:not(.interim) .word").first).to_be_visible()

    async def heard(self) -> str:
        """The text of all finals."""
        return " ".join(await self.page.locator(".line:not(.interim) .text").all_inner_texts())


@asynccontextmanager
async def visiting(
    chromium: str, *flags: str, outages: bool = False, width: int = 1280, height: int = 800, **context_options: Any
) -> AsyncIterator[Visit]:
    """A fresh browser with one page. At the end the page must have done nothing wrong.

    ``outages``: the server is taken away on purpose, so that failed requests are no fault.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])
        context = await browser.new_context(viewport={"width": width, "height": height}, **context_options)
        context.set_default_timeout(PATIENCE_MS)
        visit = Visit(await context.new_page())
        visit.watch(outages=outages)
        try:
            yield visit
        finally:
            await context.close()
            await browser.close()
    assert visit.faults == [], visit.faults  # pytest says it for tests alone


def microphone(sound: Path) -> tuple[str, ...]:
    """Flags that make a WAV file the microphone, and allow it."""
    return (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}%noloop",
    )
