"""Whether uploaded chunks have a place; for ``earshot doctor``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from protocol.errors import BadInput, EarshotError, NotFound

if TYPE_CHECKING:
    from server.blobs import Blobs
    from server.settings import Settings

DEADLINE_S = 15.0
KEY = "conversations/doctor/probe"
PROBE = b"probe"


def trouble_with(settings: Settings) -> str:
    """What is wrong with the bucket, tried as chunks will be: put, by a signed address where clients do so themselves,
    read and deleted; empty: nothing."""
    return asyncio.run(_trouble(settings))


async def _trouble(settings: Settings) -> str:
    from server.blobs import Blobs
    from server.projects.upload_targets import come_to_us

    step = "putting"
    try:
        async with asyncio.timeout(DEADLINE_S):
            blobs = await Blobs.open(settings.blobs_url, settings.bucket)
            if come_to_us(blobs, settings.blobs_uploads_to):
                await blobs.put(KEY, PROBE)
            elif trouble := await _trouble_with_signed(blobs):
                return trouble
            step = "reading"
            if await blobs.get(KEY) != PROBE:
                return "what is read is not what was put"
            step = "deleting"
            await blobs.delete(KEY)
            step = "listing, without which what is missing cannot be told from what is forbidden,"
            try:
                await blobs.size_bytes(KEY)
            except NotFound:
                return ""
            return "what is deleted is still there"
    except BadInput as error:
        return error.message
    except (EarshotError, TimeoutError) as error:
        return f"{step} fails ({type(error).__name__})"


async def _trouble_with_signed(blobs: Blobs) -> str:
    import httpx

    try:
        url = await blobs.presigned_put(KEY, expires_s=60)
    except EarshotError as error:
        return f"signing addresses fails ({type(error).__name__}); EARSHOT_BLOBS_UPLOADS_TO=server needs none"
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.put(url, content=PROBE, headers={"Content-Type": "text/plain", **blobs.put_headers})
    except httpx.HTTPError as error:
        return f"putting fails ({type(error).__name__})"
    return "" if answer.is_success else f"putting to a signed address is answered with {answer.status_code}"


def pages_refused(settings: Settings) -> str:
    """Why pages of ours cannot put to the bucket, which has no CORS rule for them; empty: they can, or need not."""
    return asyncio.run(_pages_refused(settings))


async def _pages_refused(settings: Settings) -> str:
    import httpx

    from server.blobs import Blobs
    from server.projects.upload_targets import come_to_us

    parts = urlsplit(settings.public_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        async with asyncio.timeout(DEADLINE_S):
            blobs = await Blobs.open(settings.blobs_url, settings.bucket)
            if not settings.public_url or come_to_us(blobs, settings.blobs_uploads_to):
                return ""
            names = ",".join(sorted({"content-type", *blobs.put_headers}))
            asked = {
                "Origin": origin,
                "Access-Control-Request-Method": "PUT",
                "Access-Control-Request-Headers": names,
            }
            async with httpx.AsyncClient() as client:
                url = await blobs.presigned_put(KEY, expires_s=60)
                answer = await client.options(url, headers=asked)
    except (EarshotError, httpx.HTTPError, TimeoutError) as error:
        return f"whether pages may put there cannot be found out ({type(error).__name__})"
    if answer.headers.get("Access-Control-Allow-Origin") in ("*", origin):
        return ""
    return f"no CORS rule lets pages of {origin} PUT there with {names}"
