"""A host's projects: made, set, watched while conversations arrive, taken out; and what strangers call themselves."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr

from server.projects import chunk_writing
from server.projects.chunk_writing import ChunkWriting
from server.store.conversation_records import Chunk
from tests.e2e import one_browser
from tests.e2e.browser import Visit
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.receiver import Receiver
from tests.fakes.running_app import RunningApp, running_app
from tests.server.doors.participant.test_conversations import PORTAL, confirm, put, sound
from tests.server.doors.projects.test_projects import made

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node

HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'


async def begin(http: httpx.AsyncClient, project_id: str, **fields: Any) -> str:
    answer = await http.post(f"{PORTAL}/conversations/initiate", json={"project_id": project_id, **fields})
    return str(answer.raise_for_status().json()["id"])


async def sound_at_all_widths(page: Page) -> None:
    for width, height in ((320, 640), (1280, 800)):
        await page.set_viewport_size({"width": width, "height": height})
        await assert_sound_page(page)


async def unhurt(page: Page) -> bool:
    return (
        not await page.evaluate("'hurt' in window") and await page.locator("main script, main .rows img").count() == 0
    )


@asynccontextmanager
async def host_page(browser: Browser, node: RunningApp, project_id: str) -> AsyncIterator[Visit]:
    """A project's page. Parts of the server that this test does not need may be missing, which the browser reports."""
    async with visit_in(browser, outages=True) as visit:
        await visit.page.goto(f"{node.serving.url}projects/{project_id}")
        await expect(visit.page.get_by_role("heading", name="Conversations")).to_be_visible()
        yield visit


async def test_a_project_is_made_set_and_deleted(node: RunningApp, browser: Browser) -> None:
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.goto(node.serving.url)
        await page.get_by_role("link", name="Projects").click()
        await page.get_by_label("Name", exact=True).fill("Neighbourhood talks")
        await page.get_by_label("Language of what is said").select_option("nl")
        await page.get_by_role("button", name="Make the project").click()
        await expect(page.get_by_role("heading", name="Neighbourhood talks")).to_be_visible()
        await expect(page).to_have_title("Neighbourhood talks · Earshot")
        project_id = page.url.rpartition("/")[2]
        await expect(page.get_by_role("link", name=f"{node.serving.url}p/{project_id}")).to_have_attribute(
            "href", f"/p/{project_id}"
        )
        await expect(page.get_by_text("Nobody has begun one yet.")).to_be_visible()

        await page.get_by_text("Settings").click()
        await expect(page.locator("#set-language")).to_have_value("nl")
        await page.get_by_label("What participants read before they begin").fill(f"Tell us. {HOSTILE}")
        await page.get_by_label("Ask for their e-mail address").check()
        terms = page.get_by_label("Names and words to listen for")
        await terms.fill("x" * 101)
        await expect(page.get_by_text("Not saved yet.")).to_be_visible()
        await page.get_by_role("button", name="Save").click()
        assert await terms.evaluate("(field) => field.validationMessage") == f"At most 100 letters each: {'x' * 40}"
        await terms.fill("Overtoom, buurthuis\n\nDe Pijp")
        await page.get_by_label("Conversations may begin").uncheck()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        await expect(page.get_by_text("Closed: no conversation can begin.")).to_be_visible()

        await page.locator("summary", has_text="Tags").click()
        for tag in ("youth", HOSTILE):
            await page.get_by_label("New tag").fill(tag)
            await page.get_by_label("New tag").press("Enter")
            await expect(page.get_by_label(f"Name of the tag “{tag}”")).to_be_visible()
        await page.get_by_label("New tag").fill("youth")
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.get_by_role("alert").first).to_contain_text("This tag cannot be had")
        await page.get_by_label("Name of the tag “youth”").fill("young people")
        await page.get_by_label("Name of the tag “youth”").press("Enter")
        await expect(page.get_by_label("Name of the tag “young people”")).to_be_visible()
        await expect(page.get_by_role("alert").first).to_be_hidden()
        await sound_at_all_widths(page)
        assert await unhurt(page)

        kept = (await node.http.get(f"/api/projects/{project_id}")).json()
        assert (kept["welcome_text"], kept["is_open"]) == (f"Tell us. {HOSTILE}", False)
        assert (kept["ask_for_name"], kept["ask_for_email"]) == (True, True)
        assert kept["key_terms"] == ["Overtoom", "buurthuis", "De Pijp"]
        assert [tag["text"] for tag in kept["tags"]] == ["young people", HOSTILE]

        await page.get_by_role("link", name="Projects").click()
        row = page.locator("project-list li", has_text="Neighbourhood talks")
        await expect(row).to_contain_text("closed")
        await expect(row).to_contain_text("2 tags")
        await sound_at_all_widths(page)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await row.get_by_role("button", name="Delete “Neighbourhood talks”").click()
        await expect(row).to_have_count(0)
        await page.goto(f"{node.serving.url}projects/{project_id}")
        note = page.get_by_role("alert").filter(has_text="There is no such project, or it is not yours.")
        await expect(note).to_contain_text("All that exist are under Projects.")
        await expect(page.locator(".project")).to_be_hidden()


async def fail(self: ChunkWriting, chunk: Chunk, node_id: str) -> None:
    raise RuntimeError("of the test")


async def test_conversations_arrive_while_the_page_is_open(
    node: RunningApp, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await made(node.http, name=HOSTILE, tags=["youth", HOSTILE])
    tags = [tag["id"] for tag in project["tags"]]
    async with host_page(browser, node, project["id"]) as visit:
        page = visit.page
        await expect(page.get_by_text("Nobody has begun one yet.")).to_be_visible()
        anna = await begin(node.http, project["id"], name="Anna", tag_id_list=tags[:1])
        row = page.locator(f'conversation-list li[data-id="{anna}"]')
        await expect(row).to_contain_text("Anna")
        await expect(row).to_contain_text("youth")
        await expect(row).to_contain_text("going on")
        await expect(page.get_by_text("1 conversation, 1 going on")).to_be_visible()
        await expect(row.get_by_role("meter")).to_have_count(0)
        async with asyncio.timeout(90), node.socket(f"{PORTAL}/conversations/{anna}/events") as socket:
            meter = row.get_by_role("meter", name="How loud it is now")
            while await meter.count() == 0:  # it is forgotten when nobody tells it any more
                await socket.send({"action": "level", "level_dbfs": -20})
        await expect(row.get_by_role("meter")).to_have_count(0)
        await row.get_by_role("link").focus()
        for n, said in enumerate(("alpha bravo", "river stone garden")):
            await confirm(node.http, anna, await put(node.http, anna, sound(said)), -60.0 + 30 * n)
        await expect(row).to_contain_text("2 of 2 parts written down")
        await expect(row).to_contain_text("5 words")
        await expect(row.get_by_role("link")).to_be_focused()  # though the row is another now

        hostile = await begin(node.http, project["id"], name=HOSTILE, tag_id_list=tags[1:])
        rows = page.locator("conversation-list li .row-name")
        await expect(rows).to_have_text([HOSTILE, "Anna"])
        await node.http.post(f"{PORTAL}/conversations/{hostile}/finish", json={"expected_chunks": 2})
        await expect(page.locator(f'li[data-id="{hostile}"]')).to_contain_text("0 of 0 parts written down, 2 expected")
        async with asyncio.timeout(90), node.socket(f"{PORTAL}/conversations/{anna}/events") as socket:
            await node.http.post(f"{PORTAL}/conversations/{anna}/finish")
            while "finished" not in await row.inner_text():
                await socket.send({"action": "level", "level_dbfs": -20})
        assert await meter.count() == 0, "it is over, however loud"

        # What was given up is tried again by a button.
        with monkeypatch.context() as broken:
            broken.setattr(chunk_writing, "AGAIN_S", 0.0)
            broken.setattr(ChunkWriting, "_hear", fail)
            ben = await begin(node.http, project["id"], name="Ben")
            await confirm(node.http, ben, await put(node.http, ben, sound("papa window")), 0.0)
            again = page.get_by_role("button", name="Try 1 part of Ben again")
            await expect(again).to_be_visible(timeout=60_000)
        await again.click()
        await expect(again).to_have_count(0)
        await expect(page.locator(f'li[data-id="{ben}"]')).to_contain_text("2 words", timeout=60_000)
        await sound_at_all_widths(page)
        assert await unhurt(page)

        # Nobody asks while nobody looks; what came meanwhile is there as soon as somebody does.
        await page.clock.install()
        await page.reload()
        await expect(row).to_contain_text("finished")
        await page.evaluate(
            "() => Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' })"
        )
        await page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        ben = await begin(node.http, project["id"], name="Ben")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.clock.run_for(60_000)
        assert asked == []
        await page.evaluate("() => { delete document.visibilityState; }")
        await page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        await expect(page.locator(f'li[data-id="{ben}"]')).to_be_visible()

        await row.get_by_role("link").click()
        await expect(page).to_have_url(f"{node.serving.url}t/{anna}")
        await visit.until_heard("river")


async def test_everything_is_taken_out_also_behind_a_token(browser: Browser, tmp_path: Path) -> None:
    token = SecretStr("open-sesame")
    async with (
        running_app(tmp_path / "data", access_token=token) as node,
        visit_in(browser, outages=True) as visit,
    ):
        node.http.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        project = await made(node.http, name="Talks")
        anna = await begin(node.http, project["id"], name="Anna")
        await node.http.post(f"{PORTAL}/conversations/{anna}/upload-text", json={"content": "the crossing"})
        page = visit.page
        await page.goto(f"{node.serving.url}projects/{project['id']}")
        await page.get_by_role("textbox", name="Access token").fill(token.get_secret_value())
        await page.get_by_role("button", name="Continue").click()
        await expect(page.locator(f'li[data-id="{anna}"]')).to_be_visible()
        files: dict[str, bytes] = {}
        for form, name in (("zip", "Talks transcripts.zip"), ("csv", "Talks.csv"), ("xlsx", "Talks.xlsx")):
            async with page.expect_download() as waiting:
                await page.locator(f'project-exports a[data-form="{form}"]').click()
            download = await waiting.value
            assert download.suggested_filename == name
            files[form] = Path(await download.path()).read_bytes()
        with zipfile.ZipFile(io.BytesIO(files["zip"])) as archive:
            assert "the crossing" in archive.read(archive.namelist()[0]).decode()
        rows = list(csv.DictReader(io.StringIO(files["csv"].decode("utf-8-sig"))))
        assert [row["name"] for row in rows] == ["Anna"]
        assert "xl/worksheets/sheet1.xml" in zipfile.ZipFile(io.BytesIO(files["xlsx"])).namelist()
        await page.route("**/conversations.csv", lambda route: route.fulfill(status=403, json=REFUSED))
        await page.locator('project-exports a[data-form="csv"]').click()
        note = page.get_by_role("alert").filter(has_text="The file could not be had: this key may not export")
        await expect(note).to_contain_text("An API key needs the right to export.")


REFUSED = {"error": {"code": "FORBIDDEN", "message": "this key may not export", "details": {}}}
MISSING = {"error": {"code": "NOT_FOUND", "message": "no such page", "details": {}}}


async def test_what_the_server_does_not_know_is_not_shown(node: RunningApp, browser: Browser) -> None:
    project = await made(node.http)
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        for path in ("webhooks", "reports"):
            await page.route(f"**/api/projects/*/{path}*", lambda route: route.fulfill(status=404, json=MISSING))
        async with page.expect_response(re.compile("/webhooks")), page.expect_response(re.compile("/reports")):
            await page.goto(f"{node.serving.url}projects/{project['id']}")
        await expect(page.locator("summary")).to_have_count(4)
        await expect(page.locator("summary:visible")).to_have_text([re.compile("^Settings"), re.compile("^Tags")])
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_server_that_goes_is_told_until_it_is_back(node: RunningApp, browser: Browser) -> None:
    project = await made(node.http)
    async with host_page(browser, node, project["id"]) as visit:
        page = visit.page
        await expect(page.get_by_text("Nobody has begun one yet.")).to_be_visible()
        await page.route("**/conversations?*", lambda route: route.abort())
        await expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
        await sound_at_all_widths(page)
        await page.unroute("**/conversations?*")
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_webhooks_are_added_tested_told_and_deleted(browser: Browser, tmp_path: Path) -> None:
    async with (
        running_app(tmp_path / "data", webhooks_private=True) as node,
        Receiver.running() as receiver,
        visit_in(browser) as visit,
    ):
        project = await made(node.http)
        kept = f"/api/projects/{project['id']}/webhooks"
        page = visit.page
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.goto(f"{node.serving.url}projects/{project['id']}")
        await page.locator("summary", has_text="Webhooks").click()
        await expect(page.get_by_text("Nobody is told anything yet.")).to_be_visible()
        form = page.locator("webhook-form")
        await form.get_by_label("Name").fill(HOSTILE)
        await form.get_by_label("Address").fill(receiver.url)
        for box in await form.get_by_role("checkbox").all():
            await box.uncheck()
        await form.get_by_role("button", name="Add the webhook").click()
        told = "input => input.validationMessage"
        assert await form.get_by_role("checkbox").first.evaluate(told) == "Choose one at least."
        await form.get_by_label("A conversation is written down").check()
        await form.get_by_role("button", name="Add the webhook").click()
        secret = page.get_by_text(re.compile("^whs_[0-9a-f]{64}$"))
        await expect(secret).to_be_visible()
        await sound_at_all_widths(page)
        await page.get_by_role("button", name="I have it").click()
        await expect(secret).to_have_count(0)
        [hooked] = (await node.http.get(kept)).json()["items"]
        assert (hooked["name"], hooked["events"]) == (HOSTILE, ["conversation.transcribed"])

        hook = page.locator("webhook-list li.hook")
        await expect(hook).to_contain_text("not used yet")
        receiver.answers.append(503)
        await hook.get_by_role("button", name="Send a test to").click()
        await expect(hook).to_contain_text("It did not arrive: The receiver answered with an error (503)")
        anna = await begin(node.http, project["id"], name="Anna")
        await node.http.post(f"{PORTAL}/conversations/{anna}/upload-text", json={"content": "the crossing"})
        await node.http.post(f"{PORTAL}/conversations/{anna}/finish")
        assert b"the crossing" in (await receiver.until(2))[1].body
        await hook.get_by_role("button", name="Messages to").click()
        await expect(hook.locator("webhook-deliveries li")).to_contain_text("1 attempt")
        await hook.get_by_role("button", name=re.compile("^Send the message of .* again")).click()
        await expect(hook).to_contain_text("It is sent again.")
        first, again = (await receiver.until(3))[1:]
        assert first.body == again.body
        await sound_at_all_widths(page)
        assert await unhurt(page)
        await hook.get_by_role("button", name="Switch “").click()
        await expect(hook).to_contain_text("switched off")
        assert (await node.http.get(kept)).json()["items"][0]["status"] == "draft"
        await hook.get_by_role("button", name="Delete “").click()
        await expect(hook).to_have_count(0)
        await page.reload()
        await page.locator("summary", has_text="Webhooks").click()
        await expect(page.get_by_text("Nobody is told anything yet.")).to_be_visible()


async def test_a_report_is_made_read_published_and_deleted(node: RunningApp, browser: Browser) -> None:
    project = await made(node.http)
    anna = await begin(node.http, project["id"], name="Anna")
    await node.http.post(f"{PORTAL}/conversations/{anna}/upload-text", json={"content": "The crossing is not safe."})
    kept = f"/api/projects/{project['id']}/reports"
    async with visit_in(browser) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.goto(f"{node.serving.url}projects/{project['id']}")
        await page.locator("summary", has_text="Reports").click()
        await expect(page.get_by_text("There is no report yet.")).to_be_visible()
        await page.get_by_role("button", name="Make a report").click()
        rows = page.locator("report-list li")
        await expect(rows).to_contain_text("finished")
        await expect(rows).to_contain_text("1 conversation")
        for name, sign in (("Read the report of", b"The crossing is not safe."), ("PDF of the report of", b"%PDF-")):
            address = await rows.get_by_role("link", name=name).get_attribute("href")
            assert sign in (await node.http.get(str(address))).content
        await sound_at_all_widths(page)
        await rows.get_by_role("button", name=re.compile("^Publish the report")).click()
        await expect(rows).to_contain_text("published")
        assert [each["is_published"] for each in (await node.http.get(kept)).json()["items"]] == [True]
        await rows.get_by_role("button", name=re.compile("^Delete the report")).click()
        await expect(rows).to_have_count(0)
        assert (await node.http.get(kept)).json()["total"] == 0
