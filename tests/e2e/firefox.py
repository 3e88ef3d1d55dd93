"""Firefox as it is installed, asked by WebDriver BiDi (W3C), which it speaks by itself.

Playwright drives only a Firefox of its own. Sound comes from a file in place of a microphone: the page gets a stream
of what a player plays, which needs no device, as Web Audio would; all that follows is the browser's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

NAMES = ("firefox-esr", "firefox")
START_S, PATIENCE_S, STOP_S = 60.0, 90.0, 10.0
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
# An empty profile, which asks nobody on the network for anything, and lets pages play and record.
PREFERENCES: dict[str, bool | int | str] = {
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "media.autoplay.blocking_policy": 0,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
MICROPHONE = """() => {
  if (!navigator.mediaDevices) return;
  navigator.mediaDevices.getUserMedia = async () => {
    const sound = Uint8Array.from(atob('%s'), (sign) => sign.charCodeAt(0));
    const said = new Audio(URL.createObjectURL(new Blob([sound], { type: 'audio/wav' })));
    const stream = said.mozCaptureStream();
    await said.play();
    return new MediaStream(stream.getAudioTracks());
  };
}"""
CLICK = """[...document.querySelectorAll('button')].some((button) => {
  const found = button.checkVisibility() && button.textContent.trim() === %s;
  if (found) button.click();
  return found;
})"""


def find_firefox() -> str | None:
    """The browser's path: EARSHOT_FIREFOX, or the first of the usual names."""
    named = os.environ.get("EARSHOT_FIREFOX")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class FirefoxPage:
    """Its only page. ``faults``: what its scripts did that no page may do."""

    def __init__(self, socket: ClientConnection) -> None:
        self.faults: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._context = ""

    async def listen(self) -> None:
        """Until the browser hangs up."""
        async for text in self._socket:
            told = json.loads(text)
            if (answer := self._answers.pop(told.get("id"), None)) is not None:
                answer.set_result(told)
            elif told.get("method") == "log.entryAdded" and told["params"]["level"] in ("error", "warn"):
                self.faults.append(str(told["params"].get("text")))

    async def begin(self, sound: Path) -> None:
        await self._ask("session.new", capabilities={})
        await self._ask("session.subscribe", events=["log.entryAdded"])
        self._context = (await self._ask("browsingContext.getTree"))["contexts"][0]["context"]
        microphone = MICROPHONE % base64.b64encode(await asyncio.to_thread(sound.read_bytes)).decode()
        await self._ask("script.addPreloadScript", functionDeclaration=microphone)

    async def goto(self, url: str) -> None:
        await self._ask("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression is: a number, a text, true or false."""
        given = {"target": {"context": self._context}, "awaitPromise": True, "userActivation": True}
        told = await self._ask("script.evaluate", expression=expression, **given)
        assert told["type"] == "success", told
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        """Until it is true, looked at whenever the page draws."""
        looked = f"(async () => {{ while (!({expression})) await new Promise(requestAnimationFrame); }})()"
        try:
            await self.value(looked)
        except TimeoutError:
            raise AssertionError(f"never: {expression}; the page: {await self.text()}") from None

    async def until_shown(self, text: str) -> None:
        await self.until(f"document.body.innerText.includes({json.dumps(text)})")

    async def click(self, button: str) -> None:
        """Once it is there."""
        await self.until(CLICK % json.dumps(button))

    async def text(self) -> str:
        return str(await self.value("document.body.innerText"))

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(PATIENCE_S):
            told = await answer
        assert told["type"] == "success", told
        found: dict[str, Any] = told["result"]
        return found


@asynccontextmanager
async def firefox_page(path: str, profile: Path, sound: Path) -> AsyncIterator[FirefoxPage]:
    """A fresh Firefox with one page, whose microphone hears ``sound`` from when it is opened. At the end the page must
    have done nothing wrong."""
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        *(path, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(START_S):
            while not (found := LISTENS.search((line := await process.stderr.readline()).decode())):
                assert line, "Firefox ended before it listened"
        drain = asyncio.create_task(process.stderr.read())
        async with connect(f"{found[1]}/session", max_size=None, proxy=None) as socket:
            page = FirefoxPage(socket)
            listening = asyncio.create_task(page.listen())
            try:
                await page.begin(sound)
                yield page
            finally:
                listening.cancel()
                await asyncio.wait([listening])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if drain is not None:
            await drain
    assert page.faults == [], page.faults  # pytest says it for tests alone
