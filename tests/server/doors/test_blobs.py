"""Putting to signed addresses, as kiosks do: nothing but the address, and nothing but what it says."""

from __future__ import annotations

import asyncio
import hashlib
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import Message

from protocol.errors import NotFound
from server import limits
from server.app import build_app
from server.blob_urls import BlobUrls
from server.services import Services
from server.settings import Settings
from tests.fakes.node import node_settings
from tests.fakes.running_app import in_process

KEY = "recordings/r1/chunk_0001.webm"
SOUND = "audio/webm;codecs=opus"
TYPED = {"Content-Type": SOUND}
MAX_BYTES = 50_000
DATA = bytes(range(256)) * 100


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a server where everything else needs a token."""
    return node_settings(tmp_path, access_token=SecretStr("a-token-that-kiosks-do-not-have"))


@pytest.fixture
def url(services: Services) -> str:
    return address(services)


def address(services: Services, key: str = KEY, **changed: Any) -> str:
    asked: dict[str, Any] = {"content_type": SOUND, "length_max_bytes": MAX_BYTES, "expires_s": 60}
    return services.blob_urls.put_url(key, **(asked | changed))


def files_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def nothing_is_kept(services: Services) -> Iterator[None]:
    """But for the blobs that the test itself has put."""
    yield
    assert files_under(services.settings.data_dir / "incoming") == []
    assert files_under(services.settings.data_dir / "blobs") == []


async def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
    error: dict[str, Any] = response.json()["error"]
    return error


async def test_a_put_is_kept_and_the_same_address_replaces_it(
    client: httpx.AsyncClient, services: Services, settings: Settings, url: str
) -> None:
    for data in (DATA, b"\0", bytes(MAX_BYTES)):
        response = await client.put(url, content=data, headers=TYPED)
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
        assert await services.blobs.get(KEY) == data
    assert files_under(settings.data_dir / "incoming") == []
    assert files_under(settings.data_dir / "blobs") == ["chunk_0001.webm"]
    assert stat.S_IMODE((settings.data_dir / "blobs" / KEY).stat().st_mode) == 0o600


async def test_a_body_without_a_length_is_taken_in_pieces(
    client: httpx.AsyncClient, services: Services, url: str
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(DATA), 1000):
            yield DATA[at : at + 1000]

    assert (await client.put(url, content=pieces(), headers=TYPED)).status_code == 200
    assert await services.blobs.get(KEY) == DATA


async def test_an_address_holds_across_a_restart(settings: Settings, services: Services, url: str) -> None:
    await services.stop()
    again = await Services.start(settings)
    try:
        async with in_process(settings, again) as client:
            assert (await client.put(url, content=DATA, headers=TYPED)).status_code == 200
        assert await again.blobs.get(KEY) == DATA
    finally:
        await again.stop()


@pytest.mark.usefixtures("nothing_is_kept")
async def test_an_address_that_was_altered_is_refused(client: httpx.AsyncClient, url: str) -> None:
    for altered in (
        url.partition("?")[0],
        url.replace("chunk_0001", "chunk_0002"),
        url.replace("?", "/?"),
        url.replace("/blobs/", "/blobs//"),
        url.replace(f"={MAX_BYTES}", f"={MAX_BYTES}0"),
        f"{url}&x=1",
        url[:-1],
        f"{url}&{urlsplit(url).query}",
    ):
        error = await refused(await client.put(altered, content=DATA, headers=TYPED), 403, "FORBIDDEN")
        assert error["details"] == {"reason": "altered"}


@pytest.mark.usefixtures("nothing_is_kept")
async def test_one_that_has_expired_says_to_ask_for_another(client: httpx.AsyncClient, settings: Settings) -> None:
    earlier = BlobUrls.load(settings.data_dir / "blobs.key", lambda: time.time() - 100)
    old = earlier.put_url(KEY, content_type=SOUND, length_max_bytes=MAX_BYTES, expires_s=99)
    error = await refused(await client.put(old, content=DATA, headers=TYPED), 403, "FORBIDDEN")
    assert (error["details"], "ask for a new one" in error["message"]) == ({"reason": "expired"}, True)


@pytest.mark.usefixtures("nothing_is_kept")
async def test_the_type_is_the_one_that_was_signed(client: httpx.AsyncClient, url: str) -> None:
    twice = [("Content-Type", SOUND), ("Content-Type", SOUND)]
    for headers in ({}, {"Content-Type": "audio/webm"}, {"Content-Type": "text/html"}, twice):
        error = await refused(await client.put(url, content=DATA, headers=headers), 403, "FORBIDDEN")
        assert error["details"] == {"reason": "content_type", "content_type": SOUND}


@pytest.mark.usefixtures("nothing_is_kept")
async def test_more_than_was_granted_is_413_whether_it_was_declared_or_not(client: httpx.AsyncClient, url: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BYTES // 1000):
            yield bytes(1000)
        yield b"\0"

    for content in (bytes(MAX_BYTES + 1), pieces()):
        error = await refused(await client.put(url, content=content, headers=TYPED), 413, "TOO_LARGE")
        assert error["details"] == {"max_bytes": MAX_BYTES}


@pytest.mark.usefixtures("nothing_is_kept")
async def test_bodies_that_are_none(client: httpx.AsyncClient, url: str) -> None:
    await refused(await client.put(url, headers=TYPED), 400, "BAD_REQUEST")
    packed = {**TYPED, "Content-Encoding": "gzip"}
    await refused(await client.put(url, content=DATA, headers=packed), 415, "UNSUPPORTED_MEDIA_TYPE")
    other = {**TYPED, "X-SHA256": hashlib.sha256(b"other").hexdigest()}
    await refused(await client.put(url, content=DATA, headers=other), 400, "BAD_REQUEST")


@pytest.mark.usefixtures("nothing_is_kept")
async def test_a_full_disk_is_507(services: Services, settings: Settings, url: str) -> None:
    full = settings.model_copy(update={"disk_reserve_mb": 1 << 40})
    async with in_process(full, services) as client:
        await refused(await client.put(url, content=DATA, headers=TYPED), 507, "DISK_FULL")


async def test_a_key_that_another_lies_below_is_a_conflict(client: httpx.AsyncClient, services: Services) -> None:
    await services.blobs.put("r/1/x", b"x")
    await refused(await client.put(address(services, "r/1"), content=DATA, headers=TYPED), 409, "CONFLICT")
    assert files_under(services.settings.data_dir / "incoming") == []
    assert await services.blobs.get("r/1/x") == b"x"


async def test_nothing_is_given_out(client: httpx.AsyncClient, services: Services, url: str) -> None:
    await services.blobs.put(KEY, DATA)
    for method in ("GET", "HEAD", "PATCH", "DELETE"):
        response = await client.request(method, url, headers=TYPED)
        assert (response.status_code, response.headers["allow"]) == (405, "POST, PUT"), method
    assert await services.blobs.get(KEY) == DATA


async def put_by_hand(services: Services, url: str, *messages: Message) -> int:
    """The status of the answer to a body that comes as ``messages``, after which nothing comes any more."""
    waiting = list(messages)
    statuses: list[int] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    parts = urlsplit(url)
    scope = {
        "type": "http",
        "method": "PUT",
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(b"content-type", SOUND.encode())],
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "asgi": {"version": "3.0"},
    }
    await build_app(services.settings, services=services)(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("ending", ["gone", "silent"])
async def test_a_body_that_never_ends_leaves_what_was_put_before(
    services: Services, settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(limits, "BODY_WINDOW_S", 0.05)
    await services.blobs.put(KEY, b"before")
    half = {"type": "http.request", "body": DATA[:1000], "more_body": True}
    if ending == "gone":
        assert await put_by_hand(services, url, half, {"type": "http.disconnect"}) == 400
    else:
        assert await put_by_hand(services, url, half) == 408
    assert await services.blobs.get(KEY) == b"before"
    assert files_under(settings.data_dir / "incoming") == []


async def test_two_that_put_the_same_leave_one_of_them_whole(client: httpx.AsyncClient, services: Services) -> None:
    bodies = [bytes([at]) * MAX_BYTES for at in range(6)]
    puts = [client.put(address(services), content=body, headers=TYPED) for body in bodies]
    assert [answer.status_code for answer in await asyncio.gather(*puts)] == [200] * len(bodies)
    assert await services.blobs.get(KEY) in bodies
    with pytest.raises(NotFound):
        await services.blobs.get("recordings/r1")


# Forms.


def fields_of(services: Services, key: str = KEY, **changed: Any) -> dict[str, str]:
    asked: dict[str, Any] = {"content_type": SOUND, "length_max_bytes": MAX_BYTES, "expires_s": 60}
    return services.blob_urls.form_fields(key, **(asked | changed))


async def post(
    client: httpx.AsyncClient, fields: dict[str, str], data: bytes = DATA, *, key: str = KEY, query: str = ""
) -> httpx.Response:
    file = {"file": ("chunk.webm", data, "audio/webm")}
    return await client.post(f"/blobs/{key}{query}", data=fields, files=file)


async def test_a_form_is_taken_at_the_address_of_the_put_too(
    client: httpx.AsyncClient, services: Services, settings: Settings, url: str
) -> None:
    for query in ("", f"?{urlsplit(url).query}"):
        for data in (DATA, bytes(MAX_BYTES)):
            response = await post(client, fields_of(services), data, query=query)
            assert (response.status_code, response.content) == (204, b""), response.text
            assert response.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
            assert await services.blobs.get(KEY) == data
    assert files_under(settings.data_dir / "incoming") == []


FORMS_ALTERED: dict[str, dict[str, str | None]] = {
    "another key": {"key": "recordings/r1/chunk_0002.webm"},
    "no key": {"key": None},
    "more bytes": {"length_max_bytes": str(MAX_BYTES + 1)},
    "fewer bytes": {"length_max_bytes": "1"},
    "no length": {"length_max_bytes": None},
    "another type": {"content_type": "audio/ogg", "Content-Type": "audio/ogg"},
    "a later end": {"expires_at_s": "99999999999"},
    "no end": {"expires_at_s": None},
    "another signature": {"signature": "0" * 64},
    "no signature": {"signature": None},
    "nothing at all": dict.fromkeys(("key", "length_max_bytes", "content_type", "expires_at_s", "signature"), None),
}


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize("change", FORMS_ALTERED)
async def test_a_form_with_altered_fields_is_refused(
    client: httpx.AsyncClient, services: Services, change: str
) -> None:
    fields = {
        name: value for name, value in {**fields_of(services), **FORMS_ALTERED[change]}.items() if value is not None
    }
    error = await refused(await post(client, fields), 403, "FORBIDDEN")
    assert error["details"] == {"reason": "altered"}


@pytest.mark.usefixtures("nothing_is_kept")
async def test_forms_that_were_signed_for_something_else(
    client: httpx.AsyncClient, services: Services, settings: Settings, url: str
) -> None:
    good = fields_of(services)
    for response in (
        await post(client, good, key="recordings/r1/other.webm"),
        await post(client, {**good, "key": "recordings/r1/other.webm"}, key="recordings/r1/other.webm"),
        await post(client, dict(pair.split("=") for pair in urlsplit(url).query.split("&")) | {"key": KEY}),
        await client.put(f"/blobs/{KEY}", params={k: good[k] for k in list(good)[2:]}, content=DATA, headers=TYPED),
    ):
        assert (await refused(response, 403, "FORBIDDEN"))["details"] == {"reason": "altered"}
    error = await refused(await post(client, {**good, "Content-Type": "audio/ogg"}), 403, "FORBIDDEN")
    assert error["details"]["reason"] == "content_type"
    old = BlobUrls.load(settings.data_dir / "blobs.key", lambda: time.time() - 100)
    expired = old.form_fields(KEY, content_type=SOUND, length_max_bytes=MAX_BYTES, expires_s=99)
    assert (await refused(await post(client, expired), 403, "FORBIDDEN"))["details"] == {"reason": "expired"}


@pytest.mark.usefixtures("nothing_is_kept")
async def test_forms_that_are_none(client: httpx.AsyncClient, services: Services) -> None:
    good = fields_of(services)
    error = await refused(await post(client, good, bytes(MAX_BYTES + 1)), 413, "TOO_LARGE")
    assert error["details"] == {"max_bytes": MAX_BYTES}
    await refused(await client.post(f"/blobs/{KEY}", content=DATA, headers=TYPED), 400, "BAD_REQUEST")
    await refused(await client.post(f"/blobs/{KEY}", data=good), 400, "BAD_REQUEST")
    await refused(await client.post(f"/blobs/{KEY}", files={"other": ("x", b"x")}, data=good), 400, "BAD_REQUEST")


@pytest.mark.usefixtures("nothing_is_kept")
async def test_fields_behind_the_file_come_too_late(client: httpx.AsyncClient, services: Services) -> None:
    def part(name: str, value: bytes, more: str = "") -> bytes:
        return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"

    fields = b"".join(part(name, value.encode()) for name, value in fields_of(services).items())
    body = part("file", DATA, '; filename="x"') + fields + b"--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    await refused(await client.post(f"/blobs/{KEY}", content=body, headers=headers), 403, "FORBIDDEN")


@pytest.mark.usefixtures("nothing_is_kept")
async def test_only_what_was_signed_is_looked_at_and_all_of_it(client: httpx.AsyncClient, url: str) -> None:
    """Headers that could stand for something else in front of us change nothing, and methods are methods."""
    parts = urlsplit(url)
    pairs = dict(pair.split("=", 1) for pair in parts.query.split("&"))
    for name in pairs:
        for changed in (
            {**pairs, name: pairs[name] + "0"},
            {**pairs, name: ""},
            {k: v for k, v in pairs.items() if k != name},
            {(k.upper() if k == name else k): v for k, v in pairs.items()},
        ):
            query = "&".join(f"{k}={v}" for k, v in changed.items())
            response = await client.put(f"{parts.path}?{query}", content=DATA, headers=TYPED)
            assert (await refused(response, 403, "FORBIDDEN"))["details"] == {"reason": "altered"}
    other = "/blobs/recordings/r1/other.webm"
    for more in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path"):
        response = await client.put(f"{other}?{parts.query}", content=DATA, headers={**TYPED, more: parts.path})
        await refused(response, 403, "FORBIDDEN")
    for override in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        response = await client.post(url, content=DATA, headers={**TYPED, override: "PUT"})
        await refused(response, 400, "BAD_REQUEST")
